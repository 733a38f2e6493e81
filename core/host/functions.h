/* The C functions that Lua sees, and what their files need of each other. */
#ifndef REEF_FUNCTIONS_H
#define REEF_FUNCTIONS_H

#include "host_private.h"

/* ---- lua_message.c ---- */
int reef_core_send(lua_State *L);
int reef_core_rawsend(lua_State *L);
int reef_core_redirect(lua_State *L);
int reef_core_call(lua_State *L);
int reef_core_rawcall(lua_State *L);
int reef_core_post(lua_State *L);
int reef_core_forget(lua_State *L);
int reef_core_ret(lua_State *L);
int reef_core_retpack(lua_State *L);
int reef_core_ignoreret(lua_State *L);
int reef_core_context(lua_State *L);
int reef_core_response(lua_State *L);
int reef_core_pack(lua_State *L);
int reef_core_packstring(lua_State *L);
int reef_core_unpack(lua_State *L);
int reef_core_tostring(lua_State *L);
int reef_core_trash(lua_State *L);
/* Answers all detached responses of a host that ends with errors. */
void reef_responses_fail(struct reef_host *host);

/* ---- lua_publish.c ---- */
int reef_core_publish(lua_State *L);

/* ---- lua_execute.c ---- */
int reef_os_execute(lua_State *L);
int reef_os_exit(lua_State *L);

/* ---- lua_paths.c ---- */
/* Once in each VM, when its libraries are open. */
void reef_paths_open(lua_State *L);

/* ---- lua_wait.c ---- */
int reef_core_fork(lua_State *L);
int reef_core_timeout(lua_State *L);
int reef_core_sleep(lua_State *L);
int reef_core_yield(lua_State *L);
int reef_core_wait(lua_State *L);
int reef_core_wakeup(lua_State *L);
int reef_core_killthread(lua_State *L);
int reef_core_tasks(lua_State *L);
int reef_core_taskcount(lua_State *L);
int reef_core_blocked(lua_State *L);
int reef_core_task(lua_State *L);
/* The value at `index` becomes what the entry runs. */
void reef_session_keep_function(lua_State *L, struct reef_host *host, const struct reef_session *entry, int index);

/* ---- lua_protocol.c ---- */
int reef_core_register_protocol(lua_State *L);
int reef_core_dispatch(lua_State *L);
int reef_core_dispatch_unknown_request(lua_State *L);
int reef_core_dispatch_unknown_response(lua_State *L);
int reef_core_dispatch_message(lua_State *L);
int reef_core_callback(lua_State *L);
int reef_core_protocol(lua_State *L);

/* ---- lua_info.c ---- */
int reef_core_now(lua_State *L);
int reef_core_starttime(lua_State *L);
int reef_core_time(lua_State *L);
int reef_core_hpc(lua_State *L);
int reef_core_self(lua_State *L);
int reef_core_localname(lua_State *L);
int reef_core_address(lua_State *L);
int reef_core_harbor(lua_State *L);
int reef_core_getenv(lua_State *L);
int reef_core_setenv(lua_State *L);
int reef_core_error(lua_State *L);
int reef_core_stat(lua_State *L);
int reef_core_mqlen(lua_State *L);
int reef_core_endless(lua_State *L);
int reef_core_genid(lua_State *L);
int reef_core_term(lua_State *L);
int reef_core_exit(lua_State *L);
int reef_core_memlimit(lua_State *L);
int reef_core_command(lua_State *L);
int reef_core_intcommand(lua_State *L);
int reef_core_addresscommand(lua_State *L);

/* ---- trace.c ---- */
int reef_core_trace(lua_State *L);
int reef_core_tracetag(lua_State *L);
int reef_core_newtag(lua_State *L);
int reef_core_traceproto(lua_State *L);

/* ---- lua_core.c ---- */
int reef_open_host(lua_State *L);
int reef_open_core(lua_State *L);

#endif

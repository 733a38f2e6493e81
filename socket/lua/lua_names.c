/* See lua_names.h. What is waited for has two holders, the coroutine and the resolver: whoever lets go last frees
 * it, since a coroutine may be killed while its answer is on the way, and a service may end with it in its mailbox. */
#include "lua_names.h"

#include <netdb.h>
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/host/host.h"
#include "core/seam.h"
#include "core/service.h"
#include "lua_common.h"
#include "recorded_names.h"
#include "socket/names/resolver.h"

struct resolving {
	struct reef_wait wait;
	struct reef_task *task; /* NULL: it has given up */
	struct reef_host *host;
	atomic_int holders;
	uint32_t number; /* in a record; 0: there is none */
	bool replayed;
	int type;    /* of records, or 0 */
	bool raises; /* of two ways to say that there is nothing */
	const struct reef_answer *answer;
	const char *error;
};

static void resolving_release(struct resolving *r) {
	if (atomic_fetch_sub(&r->holders, 1) == 1)
		reef_free(r);
}

static void resolving_cancel(struct reef_wait *wait, struct reef_task *task) {
	(void)task;
	struct resolving *r = (struct resolving *)wait;
	r->task = NULL;
	struct reef_seam *seam = reef_seam_leave();
	if (r->replayed ? reef_recorded_names_forget(r->number) : reef_resolver_cancel(r))
		resolving_release(r);
	reef_seam_return(seam);
	resolving_release(r);
}

static struct resolving *resolving_new(lua_State *L, const char *what) {
	struct reef_task *task = reef_task_running(L);
	struct resolving *r = reef_calloc(1, sizeof *r);
	r->wait = (struct reef_wait){.cancel = resolving_cancel, .what = what};
	r->task = task;
	r->host = reef_host_of(L);
	atomic_init(&r->holders, 2);
	return r;
}

/* ---- results ---- */

static void push_ips(lua_State *L, const struct reef_answer *answer) {
	lua_createtable(L, (int)answer->count, 0);
	for (size_t i = 0; i < answer->count; i++) {
		char ip[REEF_ADDRESS_SIZE];
		int port;
		reef_address_split(&answer->items[i], ip, &port);
		lua_pushstring(L, ip);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* SRV: { { target, port }, ... }; TXT: a list of texts. */
static void push_records(lua_State *L, const struct resolving *r) {
	const struct reef_records *records = &r->answer->records;
	lua_createtable(L, (int)records->count, 0);
	for (size_t i = 0; i < records->count; i++) {
		const struct reef_record *record = &records->items[i];
		if (r->type == REEF_LOOKUP_SRV) {
			lua_createtable(L, 0, 2);
			lua_pushlstring(L, record->text, record->length);
			lua_setfield(L, -2, "target");
			lua_pushinteger(L, record->port);
			lua_setfield(L, -2, "port");
		} else {
			lua_pushlstring(L, record->text, record->length);
		}
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* Does the error say that there is nothing, rather than that nobody knows? */
static bool is_absent(const char *error) {
	return error && (strcmp(error, gai_strerror(EAI_NONAME)) == 0 || strcmp(error, gai_strerror(EAI_NODATA)) == 0);
}

/* For the task: the list, and its TTL or not; or nil and an error, or the error alone. */
static int push_result(lua_State *L) {
	struct resolving *r = lua_touserdata(L, 1);
	lua_settop(L, 0);
	if (r->type && (r->answer->records.count > 0 || is_absent(r->error))) {
		push_records(L, r);
		lua_pushinteger(L, r->answer->ttl);
	} else if (r->answer->count > 0) {
		push_ips(L, r->answer);
		if (!r->raises)
			lua_pushinteger(L, r->answer->ttl);
	} else {
		if (!r->raises)
			lua_pushnil(L);
		lua_pushstring(L, r->error);
	}
	lua_xmove(L, reef_task_thread(r->task), lua_gettop(L));
	return 0;
}

static void resolving_done(void *ud, const struct reef_answer *answer, const char *error) {
	struct resolving *r = ud;
	struct reef_task *task = answer ? r->task : NULL;
	if (task == NULL) {
		resolving_release(r);
		return;
	}
	r->answer = answer;
	r->error = error;
	struct reef_seam *seam = reef_recorded_names_tell(r->number, answer, error);
	lua_State *L = reef_host_main(r->host);
	lua_pushcfunction(L, push_result);
	lua_pushlightuserdata(L, r);
	bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
	if (!ok)
		lua_xmove(L, reef_task_thread(task), 1);
	bool raises = !ok || (r->raises && answer->count == 0);
	int count = r->raises ? 1 : 2;
	resolving_release(r);
	resolving_release(r);
	if (raises)
		reef_task_fail(task);
	else
		reef_task_resume(task, count);
	reef_recorded_names_told(seam);
}

/* ---- functions ---- */

/* Asks for what `r` waits for; without a question, for the addresses of the name as sockets would. */
static int ask(lua_State *L, struct resolving *r, const char *name, const struct reef_question *question) {
	struct reef_seam *seam = reef_seam_here();
	bool real = true;
	if (seam)
		r->number = reef_recorded_names_ask(seam, r->wait.what, name, r, &real);
	r->replayed = !real;
	struct reef_seam *left = reef_seam_leave();
	uint32_t owner = reef_service_handle(reef_host_service(r->host));
	if (real && question)
		reef_resolver_ask(owner, question, resolving_done, r);
	else if (real)
		reef_resolver_resolve(owner, name, resolving_done, r);
	reef_seam_return(left);
	return reef_task_suspend(L, &r->wait);
}

static int resolve_now(lua_State *L, const char *host) {
	const char *error = NULL;
	struct reef_answer found = {0};
	struct reef_seam *seam = reef_seam_here();
	bool real = true;
	if (seam)
		(void)reef_recorded_names_ask(seam, "resolve", host, NULL, &real);
	struct reef_seam *left = reef_seam_leave();
	bool ok = real && reef_resolver_now(host, 0, &found, &error);
	reef_seam_return(left);
	if (seam)
		reef_recorded_names_now(seam, real, &found, &error);
	ok = ok || found.count > 0;
	if (ok)
		push_ips(L, &found);
	reef_answer_fini(&found);
	return ok ? 1 : luaL_error(L, "%s", error);
}

int reef_lua_names_resolve(lua_State *L) {
	const char *host = reef_lua_common_host(L, 1);
	if (!lua_isyieldable(L))
		return resolve_now(L, host);
	struct resolving *r = resolving_new(L, "resolve");
	r->raises = true;
	return ask(L, r, host, NULL);
}

int reef_lua_names_records(lua_State *L) {
	static const char *const names[] = {"SRV", "TXT", NULL};
	static const int types[] = {REEF_LOOKUP_SRV, REEF_LOOKUP_TXT};
	struct reef_question question = {.name = reef_lua_common_host(L, 1),
									 .type = types[luaL_checkoption(L, 2, NULL, names)],
									 .servers = lua_isnoneornil(L, 3) ? NULL : reef_lua_common_host(L, 3)};
	struct resolving *r = resolving_new(L, "name lookup");
	r->type = question.type;
	return ask(L, r, question.name, &question);
}

int reef_lua_names_lookup(lua_State *L) {
	struct reef_question question = {.name = reef_lua_common_host(L, 1),
									 .families = lua_toboolean(L, 2) ? REEF_LOOKUP_V6 : REEF_LOOKUP_V4,
									 .servers = lua_isnoneornil(L, 3) ? NULL : reef_lua_common_host(L, 3),
									 .resolv_conf = lua_isnoneornil(L, 4) ? NULL : reef_lua_common_host(L, 4)};
	struct resolving *r = resolving_new(L, "name lookup");
	return ask(L, r, question.name, &question);
}

void reef_lua_names_setup(void) {
	reef_recorded_names_setup(resolving_done);
}

/* The C API for services written in C, and for Lua's C modules: what the executable exports.
 *
 * A service `name` is a shared object that exports name_init and, if it needs them, name_create, name_release and
 * name_signal (for a dotted name, with what stands behind the last dot):
 *
 *   void *name_create(void);                                  the instance
 *   int name_init(void *instance, struct skynet_context *context, const char *param);    0, or refused
 *   void name_release(void *instance);
 *   void name_signal(void *instance, int n);                  any thread
 *
 * All other functions here are for the service's own slice: its init and its callback. Memory of messages is allocated
 * and freed with the functions below. Sockets are in skynet_socket.h.
 */
#ifndef SKYNET_H
#define SKYNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SKYNET_API
#define SKYNET_API
#endif

/* Types of messages; see docs/services.md. */
#define PTYPE_TEXT 0
#define PTYPE_RESPONSE 1
#define PTYPE_MULTICAST 2
#define PTYPE_CLIENT 3
#define PTYPE_SYSTEM 4
#define PTYPE_HARBOR 5
#define PTYPE_SOCKET 6
#define PTYPE_ERROR 7

/* Or-ed to the type of what is sent: the block at `msg` passes to the receiver, also when sending fails; a new session
 * number is taken instead of `session`. */
#define PTYPE_TAG_DONTCOPY 0x10000
#define PTYPE_TAG_ALLOCSESSION 0x20000

struct skynet_context;

/* Handles a message. 0: the payload is freed afterwards; 1: it belongs to the service now (skynet_free). */
typedef int (*skynet_cb)(struct skynet_context *context, void *ud, int type, int session, uint32_t source,
						 const void *msg, size_t sz);

/* Writes a line to the log, in the service's name. */
SKYNET_API void skynet_error(struct skynet_context *context, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
SKYNET_API void skynet_callback(struct skynet_context *context, void *ud, skynet_cb callback);

/* The session; -1: no such receiver; -2: too large. `source` 0 is the service itself; `address` is `.name`, `:hex`, or a
 * name of the process. */
SKYNET_API int skynet_send(struct skynet_context *context, uint32_t source, uint32_t dest, int type, int session,
						   void *msg, size_t sz);
SKYNET_API int skynet_sendname(struct skynet_context *context, uint32_t source, const char *address, int type,
							   int session, void *msg, size_t sz);

/* A text command (`TIMEOUT`, `REG`, `QUERY`, `LAUNCH`, `GETENV`, `STAT` ...); the result is valid until the next one. */
SKYNET_API const char *skynet_command(struct skynet_context *context, const char *name, const char *param);
/* 0 if there is none such. */
SKYNET_API uint32_t skynet_queryname(struct skynet_context *context, const char *name);
SKYNET_API int skynet_isremote(struct skynet_context *context, uint32_t handle, int *harbor);
/* Any thread; 0 outside a service. */
SKYNET_API uint32_t skynet_current_handle(void);
/* Hundredths of a second since the start. Any thread. */
SKYNET_API uint64_t skynet_now(void);

/* Any thread. */
SKYNET_API void *skynet_malloc(size_t size);
SKYNET_API void *skynet_calloc(size_t count, size_t size);
SKYNET_API void *skynet_realloc(void *p, size_t size);
SKYNET_API void skynet_free(void *p);
SKYNET_API char *skynet_strdup(const char *s);
SKYNET_API void *skynet_lalloc(void *p, size_t old_size, size_t size);
SKYNET_API void *skynet_memalign(size_t alignment, size_t size);
SKYNET_API void *skynet_aligned_alloc(size_t alignment, size_t size);
SKYNET_API int skynet_posix_memalign(void **p, size_t alignment, size_t size);

#ifdef __cplusplus
}
#endif

#endif

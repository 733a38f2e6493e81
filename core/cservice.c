/* C services and the C API that they are written against: `struct skynet_context` is our struct reef_service.
 *
 * A module `name.so` exports name_init and, optionally, name_create, name_release and name_signal; for a dotted name the
 * part behind the last dot is the prefix. The functions below are exported from the executable for such modules and for
 * Lua's C modules. They are for the service's own slice, except name_signal, which any thread may call.
 */
#include "cservice.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "command.h"
#include "debts.h"
#include "env.h"
#include "global.h"
#include "log.h"
#include "service.h"
#include "timer.h"

#define SKYNET_API __attribute__((visibility("default"), used))
#include "skynet.h"

#define MAX_SIZE ((size_t)1 << 56)

/* ---- the modules ---- */

struct functions {
	void *(*create)(void);
	int (*init)(void *instance, struct skynet_context *context, const char *param);
	void (*release)(void *instance);
	void (*signal)(void *instance, int n);
};

/* What belongs to one C service. */
struct cservice {
	const struct functions *functions;
	void *instance;
	skynet_cb callback;
	void *ud;
	struct reef_debts debts; /* all requests that it has not been seen to answer */
};

static struct skynet_context *context_of(struct reef_service *service) {
	return (struct skynet_context *)service;
}

static struct reef_service *service_of(struct skynet_context *context) {
	return (struct reef_service *)context;
}

static bool is_reply(int type) {
	return type == REEF_PTYPE_RESPONSE || type == REEF_PTYPE_ERROR;
}

/* C callbacks may keep the payload, so they get it as a block of its own. */
static void on_message(struct reef_service *service, void *ud, struct reef_message *m) {
	struct cservice *c = ud;
	if (c->callback == NULL)
		return;
	size_t size = m->size;
	void *data = reef_message_take(m);
	if (m->session > 0 && !is_reply(m->type))
		reef_debts_add(&c->debts, m->source, m->session, m->type);
	if (c->callback(context_of(service), c->ud, m->type, m->session, m->source, data, size) == 0)
		reef_free(data);
}

static int cservice_init(struct reef_service *service, const char *args) {
	struct cservice *c = reef_calloc(1, sizeof *c);
	c->functions = reef_service_module(service)->data;
	reef_service_set_instance(service, c);
	reef_service_set_callback(service, on_message, c);
	c->instance = c->functions->create ? c->functions->create() : NULL;
	if (c->functions->create && c->instance == NULL)
		return 1;
	return c->functions->init(c->instance, context_of(service), args);
}

static void cservice_release(struct reef_service *service) {
	struct cservice *c = reef_service_instance(service);
	if (c->functions->release && c->instance)
		c->functions->release(c->instance);
	reef_debts_fail(&c->debts, reef_service_handle(service));
	reef_free(c);
}

static void cservice_signal(struct reef_service *service, int n) {
	struct cservice *c = reef_service_instance(service);
	if (c && c->functions->signal)
		c->functions->signal(c->instance, n);
}

static void *open_pattern(const char *pattern, size_t size, const char *name) {
	const char *mark = memchr(pattern, '?', size);
	if (mark == NULL)
		return NULL;
	char path[4096];
	int before = (int)(mark - pattern), after = (int)size - before - 1;
	snprintf(path, sizeof path, "%.*s%s%.*s", before, pattern, name, after, mark + 1);
	return dlopen(path, RTLD_NOW | RTLD_GLOBAL);
}

static void *open_library(const char *name) {
	const char *path = reef_env_get("cpath");
	void *library = NULL;
	while (path && *path && library == NULL) {
		size_t n = strcspn(path, ";");
		library = open_pattern(path, n, name);
		path += n + (path[n] == ';');
	}
	return library;
}

static void *symbol(void *library, const char *prefix, const char *suffix) {
	char name[256];
	snprintf(name, sizeof name, "%s%s", prefix, suffix);
	return dlsym(library, name);
}

const struct reef_module *reef_cservice_load(const char *name) {
	void *library = open_library(name);
	if (library == NULL) {
		const char *reason = dlerror();
		reef_log(0, "try open %s failed : %s", name, reason ? reason : "cpath has no pattern with a ?");
		return NULL;
	}
	const char *dot = strrchr(name, '.');
	const char *prefix = dot ? dot + 1 : name;
	struct functions *functions = reef_malloc(sizeof *functions);
	*(void **)&functions->create = symbol(library, prefix, "_create");
	*(void **)&functions->init = symbol(library, prefix, "_init");
	*(void **)&functions->release = symbol(library, prefix, "_release");
	*(void **)&functions->signal = symbol(library, prefix, "_signal");
	if (functions->init == NULL) {
		reef_log(0, "%s has no function %s_init", name, prefix);
		reef_free(functions);
		dlclose(library);
		return NULL;
	}
	struct reef_module *module = reef_malloc(sizeof *module);
	*module = (struct reef_module){.name = reef_strdup(name),
								   .init = cservice_init,
								   .release = cservice_release,
								   .signal = cservice_signal,
								   .data = functions};
	return module;
}

/* ---- the C API: see skynet.h ---- */

void skynet_error(struct skynet_context *context, const char *format, ...) {
	char *text = NULL;
	va_list args;
	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return;
	reef_log_bytes(context ? reef_service_handle(service_of(context)) : 0, text, (size_t)n);
	free(text);
}

void skynet_callback(struct skynet_context *context, void *ud, skynet_cb callback) {
	struct cservice *c = reef_service_instance(service_of(context));
	c->callback = callback;
	c->ud = ud;
}

/* A message with the payload as the flags of `type` say; NULL if it is too large (the payload is
 * freed then), or there is no memory for a copy. */
static struct reef_message *make_message(struct reef_service *service, uint32_t source, int type, int *session,
										 void *msg, size_t sz) {
	if (sz > MAX_SIZE) {
		if (type & PTYPE_TAG_DONTCOPY)
			reef_free(msg);
		return NULL;
	}
	struct reef_message *m;
	if (type & PTYPE_TAG_DONTCOPY) {
		m = reef_message_wrap(msg, sz);
	} else {
		m = reef_message_try_new(sz);
		if (m == NULL)
			return NULL;
		if (sz > 0)
			memcpy(m->data, msg, sz);
	}
	if (type & PTYPE_TAG_ALLOCSESSION)
		*session = reef_service_new_session(service);
	m->source = source ? source : reef_service_handle(service);
	m->type = (uint8_t)type;
	m->session = *session;
	return m;
}

int skynet_send(struct skynet_context *context, uint32_t source, uint32_t dest, int type, int session, void *msg,
				size_t sz) {
	struct reef_message *m = make_message(service_of(context), source, type, &session, msg, sz);
	if (m == NULL)
		return -2;
	bool reply = is_reply(m->type), passed_on = m->source != reef_service_handle(service_of(context));
	uint32_t asker = reply ? dest : m->source;
	switch (reef_offer(dest, m)) {
	case REEF_OFFER_TAKEN:
		break;
	case REEF_OFFER_FULL:
		return -2;
	default:
		return -1;
	}
	/* Lua's C modules send, too, with the service that runs them. */
	if (session > 0 && (reply || passed_on) && reef_service_module(service_of(context))->init == cservice_init) {
		struct cservice *c = reef_service_instance(service_of(context));
		reef_debts_remove(&c->debts, asker, session);
	}
	return session;
}

int skynet_sendname(struct skynet_context *context, uint32_t source, const char *address, int type, int session,
					void *msg, size_t sz) {
	struct reef_message *m = make_message(service_of(context), source, type, &session, msg, sz);
	if (m == NULL)
		return -2;
	bool global = address[0] != '.' && address[0] != ':' && reef_global_valid(address);
	bool sent = global ? reef_global_send(address, m) : reef_send(reef_address_parse(address), m);
	return sent ? session : -1;
}

const char *skynet_command(struct skynet_context *context, const char *name, const char *param) {
	return reef_command(service_of(context), name, param);
}

uint32_t skynet_queryname(struct skynet_context *context, const char *name) {
	(void)context;
	return reef_address_parse(name);
}

int skynet_isremote(struct skynet_context *context, uint32_t handle, int *harbor) {
	(void)context;
	if (harbor)
		*harbor = (int)(handle >> 24);
	return handle >> 24 != 0;
}

uint32_t skynet_current_handle(void) {
	struct reef_service *service = reef_service_current();
	return service ? reef_service_handle(service) : 0;
}

uint64_t skynet_now(void) {
	return reef_now_cs();
}

void *skynet_malloc(size_t size) {
	return reef_malloc(size);
}

void *skynet_calloc(size_t count, size_t size) {
	return reef_calloc(count, size);
}

void *skynet_realloc(void *p, size_t size) {
	return reef_realloc(p, size);
}

void skynet_free(void *p) {
	reef_free(p);
}

char *skynet_strdup(const char *s) {
	return reef_strdup(s);
}

void *skynet_lalloc(void *p, size_t old_size, size_t size) {
	(void)old_size;
	if (size == 0) {
		reef_free(p);
		return NULL;
	}
	return reef_try_realloc(p, size);
}

void *skynet_memalign(size_t alignment, size_t size) {
	void *p;
	return posix_memalign(&p, alignment, size) == 0 ? p : NULL;
}

void *skynet_aligned_alloc(size_t alignment, size_t size) {
	return aligned_alloc(alignment, size);
}

int skynet_posix_memalign(void **p, size_t alignment, size_t size) {
	return posix_memalign(p, alignment, size);
}

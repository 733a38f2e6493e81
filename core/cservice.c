/* C services: see cservice.h. What they call is in skynet.c.
 *
 * A module `name.so` exports name_init and, optionally, name_create, name_release and name_signal; for a dotted name the
 * part behind the last dot is the prefix.
 */
#include "cservice.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "debts.h"
#include "env.h"
#include "log.h"
#include "message.h"
#include "module.h"
#include "send.h"
#include "stacks.h"

#define STACK_SIZE ((size_t)64 * 1024) /* bytes for a callback that may wait */

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
	struct reef_stacks *stacks; /* its callbacks may wait; NULL: they may not */
	struct reef_debts debts;    /* all requests that it has not been seen to answer */
	pthread_mutex_t signals;    /* held while its signal function runs, which may end up there again */
	bool released;              /* under `signals`: the instance takes none any more */
};

/* `struct skynet_context` is our struct reef_service. */
static struct skynet_context *cservice_context_of(struct reef_service *service) {
	return (struct skynet_context *)service;
}

static bool is_reply(int type) {
	return type == REEF_PTYPE_RESPONSE || type == REEF_PTYPE_ERROR;
}

/* C callbacks may keep the payload, so they get it as a block of its own. */
static void cservice_message(struct reef_service *service, void *ud, struct reef_message *m) {
	struct cservice *c = ud;
	if (c->callback == NULL)
		return;
	if (c->stacks && reef_stacks_answer(c->stacks, service, m))
		return;
	size_t size = m->size;
	void *data = reef_message_take(m);
	if (m->session > 0 && !is_reply(m->type))
		reef_debts_add(&c->debts, m->source, m->session, m->type);
	if (c->stacks) {
		if (reef_stacks_run(c->stacks, service, c->callback, c->ud, m, data, size))
			return;
		reef_log(reef_service_handle(service), "no memory for a stack: a message from :%08x is lost", m->source);
		if (m->session > 0 && !is_reply(m->type)) {
			reef_debts_remove(&c->debts, m->source, m->session);
			reef_send_error(reef_service_handle(service), m->source, m->session, "no memory for a stack");
		}
		reef_free(data);
		return;
	}
	if (c->callback(cservice_context_of(service), c->ud, m->type, m->session, m->source, data, size) == 0)
		reef_free(data);
}

static int cservice_init(struct reef_service *service, const char *args) {
	struct cservice *c = reef_calloc(1, sizeof *c);
	c->functions = reef_service_module(service)->data;
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&c->signals, &attributes);
	pthread_mutexattr_destroy(&attributes);
	reef_service_set_instance(service, c);
	reef_service_set_callback(service, cservice_message, c);
	c->instance = c->functions->create ? c->functions->create() : NULL;
	if (c->functions->create && c->instance == NULL)
		return 1;
	return c->functions->init(c->instance, cservice_context_of(service), args);
}

static void cservice_release(struct reef_service *service) {
	struct cservice *c = reef_service_instance(service);
	pthread_mutex_lock(&c->signals);
	c->released = true;
	pthread_mutex_unlock(&c->signals);
	if (c->stacks)
		reef_stacks_end(c->stacks);
	c->stacks = NULL;
	if (c->functions->release && c->instance)
		c->functions->release(c->instance);
	reef_debts_fail(&c->debts, reef_service_handle(service));
}

static void cservice_dispose(struct reef_service *service) {
	struct cservice *c = reef_service_instance(service);
	pthread_mutex_destroy(&c->signals);
	reef_free(c);
}

static void cservice_down(struct reef_service *service, uint32_t handle) {
	struct cservice *c = reef_service_instance(service);
	if (c->stacks)
		reef_stacks_down(c->stacks, handle);
}

static void cservice_signal(struct reef_service *service, int n) {
	struct cservice *c = reef_service_instance(service);
	if (c->functions->signal == NULL)
		return;
	pthread_mutex_lock(&c->signals);
	if (!c->released)
		c->functions->signal(c->instance, n);
	pthread_mutex_unlock(&c->signals);
}

void reef_cservice_set_callback(struct reef_service *service, void *ud, skynet_cb callback) {
	struct cservice *c = reef_service_instance(service);
	c->callback = callback;
	c->ud = ud;
}

void reef_cservice_note_answer(struct reef_service *service, uint32_t asker, int32_t session) {
	if (reef_service_module(service)->init != cservice_init)
		return;
	struct cservice *c = reef_service_instance(service);
	reef_debts_remove(&c->debts, asker, session);
}

static struct cservice *cservice_of(struct skynet_context *context) {
	struct reef_service *service = (struct reef_service *)context;
	return reef_service_module(service)->init == cservice_init ? reef_service_instance(service) : NULL;
}

__attribute__((visibility("default"), used)) int reef_call_allow(struct skynet_context *context, size_t size) {
	struct cservice *c = cservice_of(context);
	if (c == NULL)
		return ENOTSUP;
	if (c->stacks == NULL)
		c->stacks = reef_stacks_new(size ? size : STACK_SIZE);
	return 0;
}

__attribute__((visibility("default"), used)) enum reef_called reef_call(struct skynet_context *context, uint32_t dest,
																		int type, const void *data, size_t size,
																		int timeout, struct reef_reply *reply) {
	struct cservice *c = cservice_of(context);
	if (c && c->stacks)
		return reef_stacks_call(c->stacks, (struct reef_service *)context, dest, type, data, size, timeout, reply);
	if (reply)
		*reply = (struct reef_reply){.data = NULL};
	return REEF_CALL_OUTSIDE;
}

__attribute__((visibility("default"), used)) enum reef_called reef_call_sleep(struct skynet_context *context,
																			  int time) {
	struct cservice *c = cservice_of(context);
	return c && c->stacks ? reef_stacks_sleep(c->stacks, (struct reef_service *)context, time) : REEF_CALL_OUTSIDE;
}

static const struct reef_module *module_of(const char *name, const struct functions *functions) {
	struct reef_module *module = reef_malloc(sizeof *module);
	struct functions *kept = reef_malloc(sizeof *kept);
	*kept = *functions;
	*module = (struct reef_module){.name = reef_strdup(name),
								   .init = cservice_init,
								   .release = cservice_release,
								   .dispose = cservice_dispose,
								   .signal = cservice_signal,
								   .down = cservice_down,
								   .data = kept};
	return module;
}

void reef_cservice_register(const char *name, void *(*create)(void),
							int (*init)(void *instance, struct skynet_context *context, const char *param),
							void (*release)(void *instance)) {
	const struct functions functions = {.create = create, .init = init, .release = release};
	reef_module_register(module_of(name, &functions));
}

/* ---- finding the shared object ---- */

/* Tries the patterns of `cpath`: what `open` makes of the first path for which that is not NULL. */
static void *search(const char *name, void *(*open)(const char *path)) {
	const char *pattern = reef_env_get("cpath");
	void *found = NULL;
	while (pattern && *pattern && found == NULL) {
		size_t size = strcspn(pattern, ";");
		const char *mark = memchr(pattern, '?', size);
		if (mark) {
			char path[4096];
			int before = (int)(mark - pattern), after = (int)size - before - 1;
			snprintf(path, sizeof path, "%.*s%s%.*s", before, pattern, name, after, mark + 1);
			found = open(path);
		}
		pattern += size + (pattern[size] == ';');
	}
	return found;
}

static void *open_library(const char *path) {
	return dlopen(path, RTLD_NOW | RTLD_GLOBAL);
}

static void *existing_path(const char *path) {
	return access(path, R_OK) == 0 ? reef_strdup(path) : NULL;
}

void reef_cservice_tell_passed_over(const char *name) {
	char *path = search(name, existing_path);
	if (path)
		reef_log(0, "C service %s: Reef's own is used, not %s", name, path);
	reef_free(path);
}

static void *symbol(void *library, const char *prefix, const char *suffix) {
	char name[256];
	snprintf(name, sizeof name, "%s%s", prefix, suffix);
	return dlsym(library, name);
}

const struct reef_module *reef_cservice_load(const char *name) {
	void *library = search(name, open_library);
	if (library == NULL) {
		const char *reason = dlerror();
		reef_log(0, "try open %s failed : %s", name, reason ? reason : "cpath has no pattern with a ?");
		return NULL;
	}
	const char *dot = strrchr(name, '.');
	const char *prefix = dot ? dot + 1 : name;
	struct functions functions;
	*(void **)&functions.create = symbol(library, prefix, "_create");
	*(void **)&functions.init = symbol(library, prefix, "_init");
	*(void **)&functions.release = symbol(library, prefix, "_release");
	*(void **)&functions.signal = symbol(library, prefix, "_signal");
	if (functions.init == NULL) {
		reef_log(0, "%s has no function %s_init", name, prefix);
		dlclose(library);
		return NULL;
	}
	return module_of(name, &functions);
}

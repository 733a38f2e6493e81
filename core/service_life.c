/* The life of services: see service_life.h. */
#include "service_life.h"

#include <string.h>

#include "alloc.h"
#include "epoch.h"
#include "handle.h"
#include "huge_pages.h"
#include "log.h"
#include "mailbox.h"
#include "message_log.h"
#include "module.h"
#include "name.h"
#include "scheduler.h"
#include "send.h"
#include "service_log.h"
#include "service_private.h"
#include "slice.h"

#define MAX_HOOKS 8

static atomic_size_t alive;
static atomic_bool launches_refused;
static _Atomic(uint32_t) monitor;
static void (*end_hooks[MAX_HOOKS])(uint32_t handle);
static int end_hook_count;
static void (*on_last_end)(void);

/* ---- the end of a mailbox ---- */

/* A message that nobody will read: its sender must not wait for an answer, and learns that the receiver is gone. */
static void bounce(uint32_t handle, struct reef_message *m) {
	if (m->flags & REEF_MESSAGE_EVENT) {
		struct reef_event *event = (struct reef_event *)m;
		event->drop(event);
		return;
	}
	if (m->source != 0 && m->type != REEF_PTYPE_RESPONSE && m->type != REEF_PTYPE_ERROR)
		reef_send_error(handle, m->source, m->session, "service ended before it handled the request");
	reef_message_free(m);
}

static void drain(struct reef_service *service) {
	reef_mailbox_gather(service);
	struct reef_message *m;
	while ((m = reef_mailbox_pop(service)) != NULL)
		bounce(service->handle, m);
}

/* ---- launch and end ---- */

static void end_delivered(struct reef_service *service, struct reef_event *event) {
	(void)service;
	(void)event;
}

static void end_dropped(struct reef_event *event) {
	(void)event;
}

/* Senders that found the service just before it became unreachable may have pushed after it was drained. */
static void destroy(void *p) {
	struct reef_service *service = p;
	drain(service);
	if (service->module->dispose)
		service->module->dispose(service);
	reef_free(atomic_load(&service->slow));
	reef_free(service->description);
	reef_free(service);
}

uint32_t reef_service_launch(const char *module_name, const char *args) {
	const struct reef_module *module = reef_module_find(module_name);
	if (module == NULL || atomic_load(&launches_refused))
		return 0;
	struct reef_service *service = reef_aligned_alloc(_Alignof(struct reef_service), sizeof *service);
	memset(service, 0, sizeof *service);
	reef_mailbox_init(service);
	service->module = module;
	service->end = (struct reef_event){
			.message = {.flags = REEF_MESSAGE_EVENT}, .deliver = end_delivered, .drop = end_dropped};
	size_t module_size = strlen(module_name), size = strlen(args);
	service->description = reef_malloc(module_size + 1 + size + 1);
	memcpy(service->description, module_name, module_size);
	service->description[module_size] = size > 0 ? ' ' : 0;
	memcpy(service->description + module_size + (size > 0), args, size + 1);

	reef_huge_pages_grew(atomic_fetch_add(&alive, 1) + 1);
	uint32_t handle = reef_handle_add(service);
	reef_service_log_begin(service);
	struct reef_service *before = reef_slice_set_service(service);
	bool ok = module->init(service, args) == 0;
	reef_slice_set_service(before);
	/* Either this sees the flag, or who refuses launches sees the handle. */
	bool too_late = atomic_load(&launches_refused);
	if (!ok || too_late) {
		if (!too_late)
			reef_log_at(REEF_LOG_ERROR, handle, "FAILED launch %s", service->description);
		atomic_store(&service->ending, true);
		if (reef_handle_remove(service))
			reef_name_remove_all(handle);
		reef_service_release(service);
		reef_service_retire(service);
		return 0;
	}
	/* The logger itself is launched before there is one. */
	if (reef_log_service() != 0)
		reef_log_text(REEF_LOG_VERBOSE, handle, "LAUNCH ", service->description);
	if (!reef_mailbox_rest(service))
		reef_scheduler_schedule(service);
	return handle;
}

static void begin_end(struct reef_service *service) {
	bool expected = false;
	if (!atomic_compare_exchange_strong(&service->ending, &expected, true))
		return;
	if (reef_handle_remove(service))
		reef_name_remove_all(service->handle);
	reef_send_to(service, &service->end.message);
}

bool reef_service_kill(uint32_t handle) {
	struct reef_service *service = reef_handle_find(handle);
	if (service == NULL)
		return false;
	begin_end(service);
	return true;
}

static void tell_monitor(struct reef_service *service) {
	uint32_t watcher = atomic_load(&monitor), handle = service->handle;
	if (watcher == 0 || watcher == handle)
		return;
	struct reef_message *m = reef_message_new(0);
	m->source = handle;
	m->type = REEF_PTYPE_CLIENT;
	reef_send(watcher, m);
}

struct mourning {
	struct reef_event event;
	uint32_t dead;
};

static void mourn_delivered(struct reef_service *service, struct reef_event *event) {
	struct mourning *mourning = (struct mourning *)event;
	if (service->module->down)
		service->module->down(service, mourning->dead);
	reef_free(mourning);
}

static void mourn_dropped(struct reef_event *event) {
	reef_free(event);
}

/* Who waits is known only to those who wait, and to the service that cannot be asked. So all are told: it is rare. */
void reef_service_mourn(struct reef_service *service) {
	if (atomic_exchange(&service->mourned, true))
		return;
	size_t n = reef_handle_list(NULL, 0) + 64;
	uint32_t *handles = reef_malloc(n * sizeof *handles);
	size_t found = reef_handle_list(handles, n);
	for (size_t i = 0; i < found && i < n; i++) {
		struct mourning *mourning = reef_malloc(sizeof *mourning);
		*mourning = (struct mourning){
				.event = {.message = {.flags = REEF_MESSAGE_EVENT}, .deliver = mourn_delivered, .drop = mourn_dropped},
				.dead = service->handle};
		if (!reef_send_event(handles[i], &mourning->event))
			reef_free(mourning);
	}
	reef_free(handles);
	tell_monitor(service);
}

void reef_service_release(struct reef_service *service) {
	struct reef_service *before = reef_slice_set_service(service);
	service->module->release(service);
	reef_slice_set_service(before);
	drain(service);
	reef_message_log_close(service);
	for (int i = 0; i < end_hook_count; i++)
		end_hooks[i](service->handle);
	if (!atomic_exchange(&service->mourned, true))
		tell_monitor(service);
}

void reef_service_retire(struct reef_service *service) {
	reef_epoch_retire(service, destroy);
	/* The log service does not keep the process alive. */
	size_t kept = reef_log_service() != 0;
	size_t left = atomic_fetch_sub(&alive, 1) - 1;
	reef_huge_pages_shrank(left);
	if (left == kept && on_last_end)
		on_last_end();
}

/* ---- what others say and ask ---- */

void reef_service_refuse_launches(void) {
	atomic_store(&launches_refused, true);
}

void reef_service_on_end(void (*hook)(uint32_t handle)) {
	end_hooks[end_hook_count++] = hook;
}

void reef_service_on_last_end(void (*hook)(void)) {
	on_last_end = hook;
}

void reef_service_set_monitor(uint32_t handle) {
	atomic_store(&monitor, handle);
}

size_t reef_service_count(void) {
	return atomic_load(&alive);
}

uint32_t reef_service_monitor(void) {
	return atomic_load(&monitor);
}

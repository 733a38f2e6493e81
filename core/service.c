/* Services: their life and their mailboxes. See service.h for the contract, service_private.h for the mailbox. */
#include "service_private.h"

#include <string.h>

#include "alloc.h"
#include "cycles.h"
#include "end.h"
#include "env.h"
#include "epoch.h"
#include "log.h"
#include "runtime.h"
#include "scheduler_private.h"
#include "timer.h"

#define FIRST_OVERLOAD 1024 /* messages; the contract's */
#define REFUSED_QUIET_NS 1000000000u
#define OVERLOAD_QUIET_US 1000000 /* after an overload line, draining the queue does not make it start over so soon */

static atomic_size_t alive;
static atomic_bool aborting; /* nothing is launched any more */
static _Atomic(uint32_t) monitor;

struct reef_service *reef_service_find(uint32_t handle) {
	return reef_handle_find(handle);
}

size_t reef_service_count(void) {
	return atomic_load(&alive);
}

/* ---- the mailbox ---- */

static void count(struct reef_service *service, struct reef_message *m) {
	m->flags |= REEF_MESSAGE_COUNTED;
	atomic_fetch_add_explicit(&service->mailbox.messages, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&service->mailbox.bytes, m->size, memory_order_relaxed);
}

static void count_out(struct reef_service *service, struct reef_message *m) {
	m->flags &= (uint8_t)~REEF_MESSAGE_COUNTED;
	atomic_fetch_sub_explicit(&service->mailbox.messages, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&service->mailbox.bytes, m->size, memory_order_relaxed);
}

static void push(struct reef_service *service, struct reef_message *m) {
	if (__builtin_expect(atomic_load_explicit(&service->counted, memory_order_relaxed), 0) &&
		!(m->flags & REEF_MESSAGE_EVENT))
		count(service, m);
	struct reef_message *top = atomic_load_explicit(&service->inbox, memory_order_relaxed);
	do {
		m->next = top == REEF_INBOX_IDLE ? NULL : top;
	} while (!atomic_compare_exchange_weak_explicit(&service->inbox, &top, m, memory_order_acq_rel,
													memory_order_relaxed));
	if (top == REEF_INBOX_IDLE)
		reef_schedule(service);
}

/* Turns the stack of senders around and appends it to the queue. */
static void take_inbox(struct reef_service *service) {
	struct reef_message *m = atomic_exchange_explicit(&service->inbox, NULL, memory_order_acquire);
	struct reef_message *first = NULL, *last = m;
	uint64_t n = 0;
	while (m) {
		struct reef_message *next = m->next;
		m->next = first;
		first = m;
		m = next;
		n++;
	}
	if (first) {
		reef_counter_add(&service->queued, n);
		*service->queue_tail = first;
		service->queue_tail = &last->next;
	}
}

static void say_overload(struct reef_service *service, uint64_t queued) {
	uint64_t limit = reef_counter_get(&service->overload_limit);
	while (queued > limit)
		limit *= 2;
	atomic_store_explicit(&service->overload_limit, limit, memory_order_relaxed);
	reef_log(service->handle, "May overload, message queue length = %llu", (unsigned long long)queued);
}

static bool is_limited(const struct reef_service *service) {
	return atomic_load_explicit(&service->mailbox.most_messages, memory_order_relaxed) != 0 ||
		   atomic_load_explicit(&service->mailbox.most_bytes, memory_order_relaxed) != 0;
}

/* What was sent before it was found stuck is not among those counted; so the line may come a little late. */
void reef_service_watch_mailbox(struct reef_service *service) {
	atomic_store_explicit(&service->counted, true, memory_order_relaxed);
	uint64_t waiting = atomic_load_explicit(&service->mailbox.messages, memory_order_relaxed);
	uint64_t queued = reef_counter_get(&service->queued);
	if (queued > waiting)
		waiting = queued;
	if (waiting > reef_counter_get(&service->overload_limit))
		say_overload(service, waiting);
}

void reef_service_set_limit(struct reef_service *service, uint64_t messages, uint64_t bytes) {
	atomic_store_explicit(&service->mailbox.most_messages, messages, memory_order_relaxed);
	atomic_store_explicit(&service->mailbox.most_bytes, bytes, memory_order_relaxed);
	if (messages > 0 || bytes > 0)
		atomic_store_explicit(&service->counted, true, memory_order_relaxed);
}

bool reef_service_fetch(struct reef_service *service) {
	if (atomic_load_explicit(&service->inbox, memory_order_relaxed) != NULL) {
		take_inbox(service);
		uint64_t queued = reef_counter_get(&service->queued);
		if (queued > reef_counter_get(&service->overload_limit)) {
			say_overload(service, queued);
			service->overload_time = service->message_start;
		}
		if (__builtin_expect(atomic_load_explicit(&service->counted, memory_order_relaxed), 0) && !is_limited(service))
			atomic_store_explicit(&service->counted, false, memory_order_relaxed);
	}
	return service->queue != NULL;
}

struct reef_message *reef_service_pop(struct reef_service *service) {
	struct reef_message *m = service->queue;
	if (m == NULL)
		return NULL;
	service->queue = m->next;
	if (service->queue == NULL) {
		service->queue_tail = &service->queue;
		if (reef_counter_get(&service->overload_limit) != FIRST_OVERLOAD &&
			service->message_start - service->overload_time > reef_cycles_from_us(OVERLOAD_QUIET_US))
			atomic_store_explicit(&service->overload_limit, FIRST_OVERLOAD, memory_order_relaxed);
	}
	reef_counter_add(&service->queued, (uint64_t)-1);
	if (__builtin_expect(m->flags & REEF_MESSAGE_COUNTED, 0))
		count_out(service, m);
	return m;
}

bool reef_service_rest(struct reef_service *service) {
	struct reef_message *expected = NULL;
	return atomic_compare_exchange_strong_explicit(&service->inbox, &expected, REEF_INBOX_IDLE, memory_order_acq_rel,
												   memory_order_relaxed);
}

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
	take_inbox(service);
	struct reef_message *m;
	while ((m = reef_service_pop(service)) != NULL)
		bounce(service->handle, m);
}

/* ---- life ---- */

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
	reef_free(service->description);
	reef_free(service);
}

uint32_t reef_service_launch(const char *module_name, const char *args) {
	const struct reef_module *module = reef_module_find(module_name);
	if (module == NULL || atomic_load(&aborting))
		return 0;
	struct reef_service *service = reef_aligned_alloc(_Alignof(struct reef_service), sizeof *service);
	memset(service, 0, sizeof *service);
	/* Not idle, so that messages sent during init wait and nobody schedules it. */
	atomic_init(&service->inbox, NULL);
	service->queue_tail = &service->queue;
	atomic_init(&service->overload_limit, FIRST_OVERLOAD);
	service->module = module;
	service->end = (struct reef_event){
			.message = {.flags = REEF_MESSAGE_EVENT}, .deliver = end_delivered, .drop = end_dropped};
	size_t size = strlen(module_name) + 1 + strlen(args) + 1;
	service->description = reef_malloc(size);
	snprintf(service->description, size, "%s%s%s", module_name, *args ? " " : "", args);

	atomic_fetch_add(&alive, 1);
	uint32_t handle = reef_handle_add(service);
	struct reef_service *before = reef_slice_set_current(service);
	bool ok = module->init(service, args) == 0;
	reef_slice_set_current(before);
	/* Either this sees the flag, or reef_abort sees the handle. */
	bool too_late = atomic_load(&aborting);
	if (!ok || too_late) {
		if (!too_late)
			reef_log(handle, "FAILED launch %s", service->description);
		atomic_store(&service->ending, true);
		if (reef_handle_remove(service))
			reef_name_remove_all(handle);
		reef_service_release(service);
		return 0;
	}
	/* The logger itself is launched before there is one. */
	if (reef_runtime_logger() != 0)
		reef_log(handle, "LAUNCH %s", service->description);
	if (!reef_service_rest(service))
		reef_schedule(service);
	return handle;
}

static void begin_end(struct reef_service *service) {
	bool expected = false;
	if (!atomic_compare_exchange_strong(&service->ending, &expected, true))
		return;
	if (reef_handle_remove(service))
		reef_name_remove_all(service->handle);
	push(service, &service->end.message);
}

bool reef_service_kill(uint32_t handle) {
	struct reef_service *service = reef_service_find(handle);
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
	size_t n = reef_service_list(NULL, 0) + 64;
	uint32_t *handles = reef_malloc(n * sizeof *handles);
	size_t found = reef_service_list(handles, n);
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
	struct reef_service *before = reef_slice_set_current(service);
	service->module->release(service);
	reef_slice_set_current(before);
	drain(service);
	reef_message_log_close(service);
	reef_runtime_service_ended(service->handle);
	if (!atomic_exchange(&service->mourned, true))
		tell_monitor(service);
	reef_retire(service, destroy);
	if (atomic_fetch_sub(&alive, 1) == 1 + reef_runtime_kept_services())
		reef_end_finished();
}

/* A shutdown hook that does not run, or does not run to its end, is told of, and the end is not an orderly one. */
static bool check_hooks(uint32_t handle, bool orderly) {
	const struct reef_service *service = reef_service_find(handle);
	if (service == NULL || !atomic_load(&service->hooked))
		return false;
	reef_end_hook_cut();
	if (orderly)
		reef_log(0, "shutdown: :%08x (%s) did not end in time: its shutdown hooks were cut off", handle,
				 service->description);
	else
		reef_log(0, "abort: the shutdown hooks of :%08x (%s) are not run; reef.process.stop runs them", handle,
				 service->description);
	return true;
}

bool reef_service_check_hooks(uint32_t but) {
	size_t n = reef_service_list(NULL, 0);
	uint32_t *handles = reef_malloc((n + 1) * sizeof *handles);
	size_t found = reef_service_list(handles, n);
	bool any = false;
	for (size_t i = 0; i < found && i < n; i++)
		any |= handles[i] != but && check_hooks(handles[i], false);
	reef_free(handles);
	return any;
}

void reef_abort(void) {
	bool orderly = reef_end_aborting();
	atomic_store(&aborting, true);
	size_t n = reef_service_list(NULL, 0);
	uint32_t *handles = reef_malloc((n + 1) * sizeof *handles);
	size_t found = reef_service_list(handles, n);
	for (size_t i = 0; i < found && i < n; i++) {
		if (handles[i] == reef_runtime_logger())
			continue;
		check_hooks(handles[i], orderly);
		reef_service_kill(handles[i]);
	}
	reef_free(handles);
}

void reef_service_set_hooked(struct reef_service *service, bool hooked) {
	atomic_store(&service->hooked, hooked);
}

bool reef_service_ending(const struct reef_service *service) {
	return atomic_load_explicit(&service->ending, memory_order_relaxed);
}

bool reef_service_alive(uint32_t handle) {
	return reef_service_find(handle) != NULL;
}

size_t reef_service_list(uint32_t *handles, size_t n) {
	return reef_handle_list(handles, n);
}

void reef_service_signal_service(struct reef_service *service, int n) {
	if (service->module->signal)
		service->module->signal(service, n);
}

bool reef_service_signal(uint32_t handle, int n) {
	struct reef_service *service = reef_service_find(handle);
	if (service)
		reef_service_signal_service(service, n);
	return service != NULL;
}

/* ---- what a service is ---- */

uint32_t reef_service_handle(const struct reef_service *service) {
	return service->handle;
}

void reef_service_set_callback(struct reef_service *service, reef_callback callback, void *ud) {
	service->callback = callback;
	service->callback_ud = ud;
}

void reef_service_set_instance(struct reef_service *service, void *instance) {
	service->instance = instance;
}

void *reef_service_instance(const struct reef_service *service) {
	return service->instance;
}

const struct reef_module *reef_service_module(const struct reef_service *service) {
	return service->module;
}

const char *reef_service_description(const struct reef_service *service) {
	return service->description;
}

void reef_service_set_lazy(struct reef_service *service, bool lazy) {
	atomic_store_explicit(&service->lazy, lazy, memory_order_relaxed);
}

void reef_service_set_turn_end(struct reef_service *service, void (*turn_end)(struct reef_service *, void *)) {
	service->turn_end = turn_end;
}

void reef_service_turn_end(struct reef_service *service) {
	if (service->turn_end)
		service->turn_end(service, service->callback_ud);
}

void reef_service_deliver(struct reef_service *service, struct reef_message *m) {
	if (service->callback)
		service->callback(service, service->callback_ud, m);
	reef_message_free(m);
}

int32_t reef_service_new_session(struct reef_service *service) {
	service->session = service->session == INT32_MAX ? 1 : service->session + 1;
	return service->session;
}

/* ---- sending ---- */

bool reef_send(uint32_t dest, struct reef_message *m) {
	struct reef_service *service = reef_service_find(dest);
	if (service == NULL) {
		reef_message_free(m);
		return false;
	}
	push(service, m);
	return true;
}

static bool may_refuse(const struct reef_message *m) {
	switch (m->type) {
	case REEF_PTYPE_RESPONSE:
	case REEF_PTYPE_ERROR:
	case REEF_PTYPE_SYSTEM:
	case REEF_PTYPE_SOCKET:
	case REEF_PTYPE_DEBUG:
	case REEF_PTYPE_TRACE:
		return false;
	default:
		return true;
	}
}

static bool is_full(const struct reef_service *service, const struct reef_message *m) {
	uint64_t messages = atomic_load_explicit(&service->mailbox.most_messages, memory_order_relaxed);
	uint64_t bytes = atomic_load_explicit(&service->mailbox.most_bytes, memory_order_relaxed);
	return (messages > 0 && atomic_load_explicit(&service->mailbox.messages, memory_order_relaxed) >= messages) ||
		   (bytes > 0 && atomic_load_explicit(&service->mailbox.bytes, memory_order_relaxed) + m->size > bytes);
}

/* Counts, and says so at most once a second. */
static void refused(struct reef_service *service) {
	uint64_t n = atomic_fetch_add_explicit(&service->mailbox.refused, 1, memory_order_relaxed) + 1;
	uint64_t now = reef_now_ns(), said = atomic_load_explicit(&service->mailbox.refused_ns, memory_order_relaxed);
	if ((said != 0 && now - said < REFUSED_QUIET_NS) ||
		!atomic_compare_exchange_strong(&service->mailbox.refused_ns, &said, now))
		return;
	reef_log(
			service->handle,
			"mailbox is full: %llu messages with %llu bytes wait (the limits are %llu and %llu, 0: none); %llu refused "
			"so far",
			(unsigned long long)atomic_load(&service->mailbox.messages),
			(unsigned long long)atomic_load(&service->mailbox.bytes),
			(unsigned long long)atomic_load(&service->mailbox.most_messages),
			(unsigned long long)atomic_load(&service->mailbox.most_bytes), (unsigned long long)n);
}

enum reef_offered reef_offer(uint32_t dest, struct reef_message *m) {
	struct reef_service *service = reef_service_find(dest);
	if (service == NULL) {
		reef_message_free(m);
		return REEF_OFFER_NOBODY;
	}
	if (__builtin_expect(atomic_load_explicit(&service->counted, memory_order_relaxed), 0) && may_refuse(m) &&
		is_full(service, m)) {
		refused(service);
		reef_message_free(m);
		return REEF_OFFER_FULL;
	}
	push(service, m);
	return REEF_OFFER_TAKEN;
}

void reef_send_soon(uint32_t dest) {
	__builtin_prefetch(reef_handle_hint(dest), 1);
}

bool reef_send_copy(uint32_t source, uint32_t dest, int type, int32_t session, const void *data, size_t size) {
	struct reef_message *m = reef_message_try_new(size);
	if (m == NULL)
		return false;
	if (size > 0)
		memcpy(m->data, data, size);
	m->source = source;
	m->type = (uint8_t)type;
	m->session = session;
	return reef_send(dest, m);
}

bool reef_send_event(uint32_t dest, struct reef_event *event) {
	struct reef_service *service = reef_service_find(dest);
	if (service)
		push(service, &event->message);
	return service != NULL;
}

void reef_send_error(uint32_t source, uint32_t dest, int32_t session, const char *reason) {
	size_t size = reason ? strlen(reason) : 0;
	struct reef_message *m = reef_message_try_new(size);
	/* Who waits must hear of it: rather without the reason than not at all. */
	if (m == NULL)
		m = reef_message_new(size = 0);
	if (size > 0)
		memcpy(m->data, reason, size);
	m->source = source;
	m->type = REEF_PTYPE_ERROR;
	m->session = session;
	reef_send(dest, m);
}

/* ---- statistics ---- */

void reef_service_get_stat(struct reef_service *service, struct reef_service_stat *stat, bool clear) {
	take_inbox(service);
	uint64_t running = reef_service_current() == service ? reef_cycles() - service->message_start : 0;
	*stat = (struct reef_service_stat){
			.mqlen = reef_counter_get(&service->queued),
			.messages = reef_counter_get(&service->messages),
			.cpu_seconds = reef_cycles_to_seconds(reef_counter_get(&service->cycles) + running),
			.message_seconds = reef_cycles_to_seconds(running),
			.refused = atomic_load_explicit(&service->mailbox.refused, memory_order_relaxed),
			.waiting_bytes = atomic_load_explicit(&service->mailbox.bytes, memory_order_relaxed),
			.most_messages = atomic_load_explicit(&service->mailbox.most_messages, memory_order_relaxed),
			.most_bytes = atomic_load_explicit(&service->mailbox.most_bytes, memory_order_relaxed),
			.endless = clear ? atomic_exchange(&service->endless, false) : atomic_load(&service->endless),
	};
}

bool reef_service_look(uint32_t handle, struct reef_service_look *look) {
	const struct reef_service *service = reef_service_find(handle);
	if (service == NULL)
		return false;
	*look = (struct reef_service_look){
			.description = service->description,
			.queued = reef_counter_get(&service->queued),
			.messages = reef_counter_get(&service->messages),
			.refused = atomic_load_explicit(&service->mailbox.refused, memory_order_relaxed),
			.cpu_seconds = reef_cycles_to_seconds(reef_counter_get(&service->cycles)),
	};
	return true;
}

void reef_monitor_set(uint32_t handle) {
	atomic_store(&monitor, handle);
}

uint32_t reef_monitor_get(void) {
	return atomic_load(&monitor);
}

/* What a service is: see service.h for the contract, service_private.h for the struct. */
#include "service.h"

#include <stdint.h>
#include <string.h>

#include "alloc.h"
#include "cycles.h"
#include "handle.h"
#include "mailbox.h"
#include "message_log.h"
#include "module.h"
#include "node.h"
#include "service_private.h"
#include "slice.h"

uint32_t reef_service_handle(const struct reef_service *service) {
	return service->handle;
}

void reef_service_set_callback(struct reef_service *service, reef_callback callback, void *ud) {
	service->callback = callback;
	service->callback_ud = ud;
}

void reef_service_set_instance(struct reef_service *service, void *instance) {
	atomic_store_explicit(&service->instance, instance, memory_order_release);
}

void *reef_service_instance(const struct reef_service *service) {
	return atomic_load_explicit(&service->instance, memory_order_acquire);
}

const struct reef_module *reef_service_module(const struct reef_service *service) {
	return service->module;
}

void reef_service_set_lazy(struct reef_service *service, bool lazy) {
	atomic_store_explicit(&service->lazy, lazy, memory_order_relaxed);
}

void reef_service_set_turn_end(struct reef_service *service, void (*turn_end)(struct reef_service *, void *)) {
	service->turn_end = turn_end;
}

void reef_service_turn_end(struct reef_service *service) {
	if (service->turn_end == NULL)
		return;
	if (service->module->enter)
		service->module->enter(service);
	service->turn_end(service, service->callback_ud);
	if (service->module->leave)
		service->module->leave(service);
}

void reef_service_note_message(struct reef_service *service) {
	reef_counter_add(&service->messages, 1);
}

inline void reef_service_deliver(struct reef_service *service, struct reef_message *m,
								 const struct reef_message *shown) {
	FILE *log = atomic_load_explicit(&service->message_log, memory_order_relaxed);
	if (log)
		reef_message_log_write(log, shown);
	if (service->callback)
		service->callback(service, service->callback_ud, m);
	reef_message_free(m);
	reef_counter_add(&service->messages, 1);
}

bool reef_service_is_logged(const struct reef_service *service) {
	return atomic_load_explicit(&service->message_log, memory_order_relaxed) != NULL;
}

int32_t reef_service_new_session(struct reef_service *service) {
	service->session = service->session == INT32_MAX ? 1 : service->session + 1;
	return service->session;
}

void reef_service_set_hooked(struct reef_service *service, bool hooked) {
	atomic_store(&service->hooked, hooked);
}

bool reef_service_ending(const struct reef_service *service) {
	return atomic_load_explicit(&service->ending, memory_order_relaxed);
}

bool reef_service_alive(uint32_t handle) {
	return reef_handle_find(handle) != NULL || reef_node_is_other(handle);
}

void reef_service_signal_service(struct reef_service *service, int n) {
	if (service->module->signal)
		service->module->signal(service, n);
}

bool reef_service_signal(uint32_t handle, int n) {
	struct reef_service *service = reef_handle_find(handle);
	if (service)
		reef_service_signal_service(service, n);
	return service != NULL;
}

/* ---- statistics ---- */

inline uint64_t reef_service_message_start(const struct reef_service *service) {
	return reef_counter_get(&service->message_start);
}

void reef_service_note_error(struct reef_service *service) {
	reef_counter_add(&service->errors, 1);
}

void reef_service_note_slow(struct reef_service *service, unsigned kind) {
	reef_counter *slow = atomic_load_explicit(&service->slow, memory_order_relaxed);
	if (slow == NULL) {
		slow = reef_calloc(REEF_SERVICE_KINDS, sizeof *slow);
		atomic_store_explicit(&service->slow, slow, memory_order_release);
	}
	reef_counter_add(&slow[kind], 1);
}

bool reef_service_slow(uint32_t handle, uint64_t counts[REEF_SERVICE_KINDS]) {
	const struct reef_service *service = reef_handle_find(handle);
	const reef_counter *slow = service ? atomic_load_explicit(&service->slow, memory_order_acquire) : NULL;
	for (unsigned kind = 0; slow && kind < REEF_SERVICE_KINDS; kind++)
		counts[kind] = reef_counter_get(&slow[kind]);
	return slow != NULL;
}

void reef_service_get_stat(struct reef_service *service, struct reef_service_stat *stat, bool clear) {
	reef_mailbox_gather(service);
	uint64_t running = reef_slice_service() == service ? reef_cycles() - reef_counter_get(&service->message_start) : 0;
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

const char *reef_service_name(const char *description, size_t *size) {
	static const char host[] = "snlua ";
	if (strncmp(description, host, sizeof host - 1) == 0)
		description += sizeof host - 1;
	*size = strcspn(description, " ");
	return description;
}

bool reef_service_look(uint32_t handle, struct reef_service_look *look) {
	const struct reef_service *service = reef_handle_find(handle);
	if (service == NULL)
		return false;
	*look = (struct reef_service_look){
			.description = service->description,
			.queued = reef_counter_get(&service->queued),
			.messages = reef_counter_get(&service->messages),
			.refused = atomic_load_explicit(&service->mailbox.refused, memory_order_relaxed),
			.errors = reef_counter_get(&service->errors),
			.cpu_seconds = reef_cycles_to_seconds(reef_counter_get(&service->cycles)),
	};
	return true;
}

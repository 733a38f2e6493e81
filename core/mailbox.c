/* Mailboxes: see mailbox.h, and service_private.h for what they are made of. */
#include "mailbox.h"

#include "clock.h"
#include "cycles.h"
#include "log.h"
#include "service_private.h"

#define REFUSED_QUIET_NS 1000000000u
#define OVERLOAD_QUIET_US 1000000 /* after an overload line, draining the queue does not make it start over so soon */

/* ---- counting ---- */

static void count_in(struct reef_service *service, struct reef_message *m) {
	m->flags |= REEF_MESSAGE_COUNTED;
	atomic_fetch_add_explicit(&service->mailbox.messages, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&service->mailbox.bytes, m->size, memory_order_relaxed);
}

static void count_out(struct reef_service *service, struct reef_message *m) {
	m->flags &= (uint8_t)~REEF_MESSAGE_COUNTED;
	atomic_fetch_sub_explicit(&service->mailbox.messages, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&service->mailbox.bytes, m->size, memory_order_relaxed);
}

/* ---- messages ---- */

void reef_mailbox_init(struct reef_service *service) {
	/* Not idle, so that messages sent while it is set up wait and nobody schedules it. */
	atomic_init(&service->inbox, NULL);
	service->queue_tail = &service->queue;
	atomic_init(&service->overload_limit, REEF_MAILBOX_OVERLOAD);
}

inline bool reef_mailbox_push(struct reef_service *service, struct reef_message *m) {
	if (__builtin_expect(atomic_load_explicit(&service->counted, memory_order_relaxed), 0) &&
		!(m->flags & REEF_MESSAGE_EVENT))
		count_in(service, m);
	struct reef_message *top = atomic_load_explicit(&service->inbox, memory_order_relaxed);
	do {
		m->next = top == REEF_INBOX_IDLE ? NULL : top;
	} while (!atomic_compare_exchange_weak_explicit(&service->inbox, &top, m, memory_order_acq_rel,
													memory_order_relaxed));
	return top == REEF_INBOX_IDLE;
}

/* Turns the stack of senders around and appends it to the queue. */
void reef_mailbox_gather(struct reef_service *service) {
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
	reef_log_at(REEF_LOG_WARN, service->handle, "May overload, message queue length = %llu",
				(unsigned long long)queued);
}

static bool is_limited(const struct reef_service *service) {
	return atomic_load_explicit(&service->mailbox.most_messages, memory_order_relaxed) != 0 ||
		   atomic_load_explicit(&service->mailbox.most_bytes, memory_order_relaxed) != 0;
}

inline bool reef_mailbox_fetch(struct reef_service *service) {
	if (atomic_load_explicit(&service->inbox, memory_order_relaxed) != NULL) {
		reef_mailbox_gather(service);
		uint64_t queued = reef_counter_get(&service->queued);
		if (queued > reef_counter_get(&service->overload_limit)) {
			say_overload(service, queued);
			service->overload_time = reef_counter_get(&service->message_start);
		}
		if (__builtin_expect(atomic_load_explicit(&service->counted, memory_order_relaxed), 0) && !is_limited(service))
			atomic_store_explicit(&service->counted, false, memory_order_relaxed);
	}
	return service->queue != NULL;
}

inline struct reef_message *reef_mailbox_pop(struct reef_service *service) {
	struct reef_message *m = service->queue;
	if (m == NULL)
		return NULL;
	service->queue = m->next;
	if (service->queue == NULL) {
		service->queue_tail = &service->queue;
		if (reef_counter_get(&service->overload_limit) != REEF_MAILBOX_OVERLOAD &&
			reef_counter_get(&service->message_start) - service->overload_time > reef_cycles_from_us(OVERLOAD_QUIET_US))
			atomic_store_explicit(&service->overload_limit, REEF_MAILBOX_OVERLOAD, memory_order_relaxed);
	}
	reef_counter_add(&service->queued, (uint64_t)-1);
	if (__builtin_expect(m->flags & REEF_MESSAGE_COUNTED, 0))
		count_out(service, m);
	return m;
}

bool reef_mailbox_rest(struct reef_service *service) {
	struct reef_message *expected = NULL;
	return atomic_compare_exchange_strong_explicit(&service->inbox, &expected, REEF_INBOX_IDLE, memory_order_acq_rel,
												   memory_order_relaxed);
}

/* ---- limits ---- */

/* What was sent before it was found stuck is not among those counted; so the line may come a little late. */
void reef_mailbox_watch(struct reef_service *service) {
	atomic_store_explicit(&service->counted, true, memory_order_relaxed);
	uint64_t waiting = atomic_load_explicit(&service->mailbox.messages, memory_order_relaxed);
	uint64_t queued = reef_counter_get(&service->queued);
	if (queued > waiting)
		waiting = queued;
	if (waiting > reef_counter_get(&service->overload_limit))
		say_overload(service, waiting);
}

void reef_mailbox_set_limit(struct reef_service *service, uint64_t messages, uint64_t bytes) {
	atomic_store_explicit(&service->mailbox.most_messages, messages, memory_order_relaxed);
	atomic_store_explicit(&service->mailbox.most_bytes, bytes, memory_order_relaxed);
	if (messages > 0 || bytes > 0)
		atomic_store_explicit(&service->counted, true, memory_order_relaxed);
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
static void note_refusal(struct reef_service *service) {
	uint64_t n = atomic_fetch_add_explicit(&service->mailbox.refused, 1, memory_order_relaxed) + 1;
	uint64_t now = reef_now_ns(), said = atomic_load_explicit(&service->mailbox.refused_ns, memory_order_relaxed);
	if ((said != 0 && now - said < REFUSED_QUIET_NS) ||
		!atomic_compare_exchange_strong(&service->mailbox.refused_ns, &said, now))
		return;
	reef_log_at(
			REEF_LOG_WARN, service->handle,
			"mailbox is full: %llu messages with %llu bytes wait (the limits are %llu and %llu, 0: none); %llu refused "
			"so far",
			(unsigned long long)atomic_load(&service->mailbox.messages),
			(unsigned long long)atomic_load(&service->mailbox.bytes),
			(unsigned long long)atomic_load(&service->mailbox.most_messages),
			(unsigned long long)atomic_load(&service->mailbox.most_bytes), (unsigned long long)n);
}

bool reef_mailbox_refuses(struct reef_service *service, const struct reef_message *m) {
	if (!may_refuse(m) || !is_full(service, m))
		return false;
	note_refusal(service);
	return true;
}

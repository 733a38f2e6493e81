/* Sending: see send.h. */
#include "send.h"

#include <string.h>

#include "handle.h"
#include "mailbox.h"
#include "node.h"
#include "prefetch.h"
#include "remote.h"
#include "scheduler.h"
#include "seam.h"
#include "service_private.h"

void reef_send_to(struct reef_service *service, struct reef_message *m) {
	if (reef_mailbox_push(service, m))
		reef_scheduler_schedule(service);
}

/* Nobody here has that handle: does another node? Takes m. */
static bool send_elsewhere(uint32_t dest, struct reef_message *m) {
	struct reef_service *carrier = reef_node_is_other(dest) ? reef_handle_find(reef_remote_carrier()) : NULL;
	if (carrier == NULL) {
		reef_message_free(m);
		return false;
	}
	m = reef_remote_wrap(dest, m);
	if (m != NULL)
		reef_send_to(carrier, m);
	return m != NULL;
}

/* From a service that is recorded or replayed. */
static __attribute__((noinline, cold)) enum reef_offered send_through(struct reef_seam *seam, uint32_t dest,
																	  struct reef_message *m) {
	struct reef_seam_about about = {.a = dest,
									.b = (int64_t)m->type << 32 | (uint32_t)m->session,
									.c = m->source,
									.bytes = m->data,
									.size = m->size};
	enum reef_offered offered = REEF_OFFER_TAKEN;
	if (seam->act(seam, REEF_SEAM_SEND, &about)) {
		seam->off++;
		offered = reef_send_offer(dest, m);
		seam->off--;
	} else {
		reef_message_free(m);
	}
	return (enum reef_offered)seam->number(seam, REEF_SEAM_DONE, (int64_t)offered);
}

inline bool reef_send(uint32_t dest, struct reef_message *m) {
	struct reef_seam *seam = reef_seam_here();
	if (seam)
		return send_through(seam, dest, m) == REEF_OFFER_TAKEN;
	struct reef_service *service = reef_handle_find(dest);
	if (service == NULL)
		return send_elsewhere(dest, m);
	reef_send_to(service, m);
	return true;
}

inline enum reef_offered reef_send_offer(uint32_t dest, struct reef_message *m) {
	struct reef_seam *seam = reef_seam_here();
	if (seam)
		return send_through(seam, dest, m);
	struct reef_service *service = reef_handle_find(dest);
	if (service == NULL)
		return send_elsewhere(dest, m) ? REEF_OFFER_TAKEN : REEF_OFFER_NOBODY;
	bool counted = atomic_load_explicit(&service->counted, memory_order_relaxed);
	if (__builtin_expect(counted, 0) && reef_mailbox_refuses(service, m)) {
		reef_message_free(m);
		return REEF_OFFER_FULL;
	}
	reef_send_to(service, m);
	return REEF_OFFER_TAKEN;
}

void reef_send_soon(uint32_t dest) {
	reef_prefetch(reef_handle_hint(dest));
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
	struct reef_service *service = reef_handle_find(dest);
	if (service)
		reef_send_to(service, &event->message);
	return service != NULL;
}

void reef_send_error(uint32_t source, uint32_t dest, int32_t session, const char *reason) {
	reef_send_error_bytes(source, dest, session, reason, reason ? strlen(reason) : 0);
}

void reef_send_error_bytes(uint32_t source, uint32_t dest, int32_t session, const char *reason, size_t size) {
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

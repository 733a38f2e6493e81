/* The C API: see skynet.h. `struct skynet_context` is our struct reef_service.
 *
 * The executable exports these functions for C services and for Lua's C modules; nothing inside calls them.
 */
#define SKYNET_API __attribute__((visibility("default"), used))
#include "skynet.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "command.h"
#include "cservice.h"
#include "global.h"
#include "log.h"
#include "name.h"
#include "node.h"
#include "send.h"
#include "service.h"
#include "service_log.h"
#include "slice.h"

#define MAX_SIZE ((size_t)1 << 56)

static struct reef_service *service_of(struct skynet_context *context) {
	return (struct reef_service *)context;
}

void skynet_error(struct skynet_context *context, const char *format, ...) {
	char *text = NULL;
	va_list args;
	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return;
	size_t label;
	enum reef_log_level level = reef_log_level_of(text, (size_t)n, &label);
	if (context ? reef_service_logs(service_of(context), level) : level >= reef_log_threshold())
		reef_log_bytes(context ? reef_service_handle(service_of(context)) : 0, text, (size_t)n);
	free(text);
}

void skynet_callback(struct skynet_context *context, void *ud, skynet_cb callback) {
	reef_cservice_set_callback(service_of(context), ud, callback);
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
	bool reply = m->type == REEF_PTYPE_RESPONSE || m->type == REEF_PTYPE_ERROR;
	bool passed_on = m->source != reef_service_handle(service_of(context));
	uint32_t asker = reply ? dest : m->source;
	switch (reef_send_offer(dest, m)) {
	case REEF_OFFER_TAKEN:
		break;
	case REEF_OFFER_FULL:
		return -2;
	default:
		return -1;
	}
	if (session > 0 && (reply || passed_on))
		reef_cservice_note_answer(service_of(context), asker, session);
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
	return reef_node_is_other(handle);
}

uint32_t skynet_current_handle(void) {
	struct reef_service *service = reef_slice_service();
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

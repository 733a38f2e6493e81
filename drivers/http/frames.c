/* See frames.h. */
#include "drivers/http/frames.h"

#include <openssl/rand.h>
#include <string.h>

#include "core/alloc.h"

/* ---- what wslay calls ---- */

static ssize_t on_recv(wslay_event_context_ptr context, uint8_t *to, size_t n, int flags, void *user) {
	struct reef_frames *f = user;
	(void)flags;
	if (f->in_size == 0) {
		wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (n > f->in_size)
		n = f->in_size;
	memcpy(to, f->in, n);
	f->in += n;
	f->in_size -= n;
	return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t n, int flags, void *user) {
	struct reef_frames *f = user;
	(void)flags;
	if (f->out_room - f->out_size < n) {
		size_t room = f->out_room ? f->out_room * 2 : 256;
		while (room - f->out_size < n)
			room *= 2;
		char *bigger = reef_try_realloc(f->out, room);
		if (bigger == NULL) {
			f->no_memory = true;
			wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
			return -1;
		}
		f->out = bigger;
		f->out_room = room;
	}
	memcpy(f->out + f->out_size, bytes, n);
	f->out_size += n;
	return (ssize_t)n;
}

static int on_mask(wslay_event_context_ptr context, uint8_t *to, size_t n, void *user) {
	struct reef_frames *f = user;
	if (f->has_mask && n == sizeof f->mask) {
		memcpy(to, f->mask, n);
		return 0;
	}
	if (RAND_bytes(to, (int)n) == 1)
		return 0;
	wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static void on_message(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *arg, void *user) {
	struct reef_frames *f = user;
	(void)context;
	struct reef_frames_message *m = reef_try_malloc(sizeof *m + arg->msg_length);
	if (m == NULL) {
		f->no_memory = true;
		return;
	}
	m->next = NULL;
	m->opcode = arg->opcode;
	m->code = arg->status_code;
	m->size = arg->msg_length;
	if (m->size > 0)
		memcpy(m->bytes, arg->msg, m->size);
	*f->last = m;
	f->last = &m->next;
}

/* ---- ---- */

bool reef_frames_init(struct reef_frames *f, bool server, uint64_t most) {
	static const struct wslay_event_callbacks callbacks = {
			.recv_callback = on_recv,
			.send_callback = on_send,
			.genmask_callback = on_mask,
			.on_msg_recv_callback = on_message,
	};
	memset(f, 0, sizeof *f);
	f->last = &f->first;
	int error = server ? wslay_event_context_server_init(&f->context, &callbacks, f)
					   : wslay_event_context_client_init(&f->context, &callbacks, f);
	if (error != 0)
		return false;
	wslay_event_config_set_max_recv_msg_length(f->context, most);
	return true;
}

void reef_frames_fini(struct reef_frames *f) {
	struct reef_frames_message *m;
	while ((m = reef_frames_take(f)) != NULL)
		reef_free(m);
	if (f->context)
		wslay_event_context_free(f->context);
	f->context = NULL;
	reef_free(f->out);
	f->out = NULL;
	f->out_size = f->out_room = 0;
}

/* Writes what is queued. */
static bool flush(struct reef_frames *f) {
	return wslay_event_send(f->context) == 0 && !f->no_memory;
}

bool reef_frames_feed(struct reef_frames *f, const char *bytes, size_t n) {
	f->in = bytes;
	f->in_size = n;
	int error = 0;
	/* It stops to read when it has queued a close. */
	while (f->in_size > 0 && error == 0 && !f->no_memory && wslay_event_want_read(f->context))
		error = wslay_event_recv(f->context);
	f->in = NULL;
	f->in_size = 0;
	bool sent = flush(f);
	return error == 0 && sent && (wslay_event_want_read(f->context) || wslay_event_get_close_received(f->context));
}

struct reef_frames_message *reef_frames_take(struct reef_frames *f) {
	struct reef_frames_message *m = f->first;
	if (m) {
		f->first = m->next;
		if (f->first == NULL)
			f->last = &f->first;
	}
	return m;
}

bool reef_frames_send(struct reef_frames *f, uint8_t opcode, const char *bytes, size_t n, const uint8_t *mask) {
	struct wslay_event_msg message = {.opcode = opcode, .msg = (const uint8_t *)bytes, .msg_length = n};
	if (wslay_event_queue_msg(f->context, &message) != 0)
		return false;
	f->has_mask = mask != NULL;
	if (mask)
		memcpy(f->mask, mask, sizeof f->mask);
	bool sent = flush(f);
	f->has_mask = false;
	return sent;
}

bool reef_frames_close(struct reef_frames *f, uint16_t code, const char *reason, size_t n) {
	return wslay_event_queue_close(f->context, code, (const uint8_t *)reason, n) == 0 && flush(f);
}

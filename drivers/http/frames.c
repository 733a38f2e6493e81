/* See frames.h. */
#include "drivers/http/frames.h"
#include "core/chance.h"
#include "core/seam.h"
#include "core/sim.h"

#include <openssl/rand.h>
#include <string.h>

#include "core/alloc.h"
#include "core/utf8.h"

/* Room for `n` more bytes of output; NULL: out of memory. */
static uint8_t *out_room(struct reef_frames *f, size_t n) {
	if (f->out_room - f->out_size < n) {
		size_t room = f->out_room ? f->out_room * 2 : 256;
		while (room - f->out_size < n)
			room *= 2;
		char *bigger = reef_try_realloc(f->out, room);
		if (bigger == NULL) {
			f->no_memory = true;
			return NULL;
		}
		f->out = bigger;
		f->out_room = room;
	}
	return (uint8_t *)f->out + f->out_size;
}

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
	uint8_t *to = out_room(f, n);
	if (to == NULL) {
		wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
		return -1;
	}
	memcpy(to, bytes, n);
	f->out_size += n;
	return (ssize_t)n;
}

/* Not the system's chance, which costs a call of the system for each frame. */
static bool fill_mask(uint8_t *to, size_t n) {
	return reef_sim_on || reef_seam_here() ? reef_chance_fill(to, n, true) : RAND_bytes(to, (int)n) == 1;
}

static int on_mask(wslay_event_context_ptr context, uint8_t *to, size_t n, void *user) {
	(void)user;
	if (fill_mask(to, n))
		return 0;
	wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* Unpacks a message, of which *bytes and *n become those that it was; false: it is refused. */
static bool frames_unpack(struct reef_frames *f, uint8_t opcode, const char **bytes, size_t *n) {
	switch (reef_deflate_unpack(f->deflate, *bytes, *n, f->most, bytes, n)) {
	case REEF_DEFLATE_OK:
		if (opcode != WSLAY_TEXT_FRAME || reef_utf8_valid(*bytes, *n))
			return true;
		f->refused = WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA;
		return false;
	case REEF_DEFLATE_TOO_LARGE:
		f->refused = WSLAY_CODE_MESSAGE_TOO_BIG;
		return false;
	case REEF_DEFLATE_NO_MEMORY:
		f->no_memory = true;
		return false;
	default:
		f->refused = WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA;
		return false;
	}
}

static void on_message(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *arg, void *user) {
	struct reef_frames *f = user;
	(void)context;
	const char *bytes = (const char *)arg->msg;
	size_t n = arg->msg_length;
	/* wslay takes a close that ends within its code for one without. */
	if (arg->opcode == WSLAY_CONNECTION_CLOSE && n == 1)
		f->refused = WSLAY_CODE_PROTOCOL_ERROR;
	if (f->refused != 0 || (wslay_get_rsv1(arg->rsv) && !frames_unpack(f, arg->opcode, &bytes, &n)))
		return;
	struct reef_frames_message *m = reef_try_malloc(sizeof *m + n);
	if (m == NULL) {
		f->no_memory = true;
		return;
	}
	m->next = NULL;
	m->opcode = arg->opcode;
	m->code = arg->status_code;
	m->size = n;
	if (n > 0)
		memcpy(m->bytes, bytes, n);
	*f->last = m;
	f->last = &m->next;
}

/* ---- ---- */

bool reef_frames_init(struct reef_frames *f, bool server, size_t most, const struct reef_deflate_options *deflate) {
	static const struct wslay_event_callbacks callbacks = {
			.recv_callback = on_recv,
			.send_callback = on_send,
			.genmask_callback = on_mask,
			.on_msg_recv_callback = on_message,
	};
	memset(f, 0, sizeof *f);
	f->last = &f->first;
	f->server = server;
	f->most = most;
	int error = server ? wslay_event_context_server_init(&f->context, &callbacks, f)
					   : wslay_event_context_client_init(&f->context, &callbacks, f);
	if (error != 0)
		return false;
	wslay_event_config_set_max_recv_msg_length(f->context, most);
	if (deflate == NULL)
		return true;
	wslay_event_config_set_allowed_rsv_bits(f->context, WSLAY_RSV1_BIT);
	f->deflate = reef_deflate_new(deflate);
	return f->deflate != NULL;
}

void reef_frames_fini(struct reef_frames *f) {
	struct reef_frames_message *m;
	while ((m = reef_frames_take(f)) != NULL)
		reef_free(m);
	if (f->context)
		wslay_event_context_free(f->context);
	f->context = NULL;
	reef_deflate_free(f->deflate);
	f->deflate = NULL;
	reef_free(f->out);
	f->out = NULL;
	f->out_size = f->out_room = 0;
}

/* Writes what is queued. */
static bool flush(struct reef_frames *f) {
	return (!wslay_event_want_write(f->context) || wslay_event_send(f->context) == 0) && !f->no_memory;
}

bool reef_frames_feed(struct reef_frames *f, const char *bytes, size_t n) {
	int error = 0;
	/* It stops to read when it has queued a close. */
	while (error == 0 && !f->no_memory && f->refused == 0 && wslay_event_want_read(f->context)) {
		if (f->in_size == 0 && n > 0)
			f->in = reef_frame_cut_take(&f->cut, &bytes, &n, &f->in_size);
		if (f->in_size == 0)
			break;
		error = wslay_event_recv(f->context);
	}
	if (f->refused != 0) {
		(void)wslay_event_queue_close(f->context, f->refused, NULL, 0);
		error = WSLAY_ERR_CALLBACK_FAILURE;
	}
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

static void put_size(uint8_t *to, uint64_t n, int bytes) {
	for (int i = 0; i < bytes; i++)
		to[i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
}

/* RFC 6455, section 5.2; returns where the mask, or the payload, begins. */
static uint8_t *put_head(uint8_t *to, uint8_t first, bool masked, size_t n) {
	uint8_t bit = masked ? 0x80 : 0;
	*to++ = first;
	if (n < 126) {
		*to++ = (uint8_t)(bit | n);
		return to;
	}
	int bytes = n <= UINT16_MAX ? 2 : 8;
	*to++ = bit | (bytes == 2 ? 126 : 127);
	put_size(to, n, bytes);
	return to + bytes;
}

static void put_masked(uint8_t *to, const char *bytes, size_t n, const uint8_t *mask) {
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)bytes[i] ^ mask[i & 3];
}

bool reef_frames_send(struct reef_frames *f, uint8_t opcode, const char *bytes, size_t n, const uint8_t *mask) {
	bool control = opcode & 8;
	uint8_t first = 0x80 | opcode, random[4];
	if (!wslay_event_get_write_enabled(f->context) || wslay_event_get_close_sent(f->context) || (control && n > 125))
		return false;
	if (f->deflate && !control) {
		enum reef_deflate_result packed = reef_deflate_pack(f->deflate, bytes, n, &bytes, &n);
		if (packed == REEF_DEFLATE_NO_MEMORY)
			return false;
		if (packed == REEF_DEFLATE_OK)
			first |= WSLAY_RSV1_BIT << 4;
	}
	if (!f->server && mask == NULL) {
		if (!fill_mask(random, sizeof random))
			return false;
		mask = random;
	}
	bool masked = !f->server;
	uint8_t *start = out_room(f, n + 14);
	if (start == NULL)
		return false;
	uint8_t *to = put_head(start, first, masked, n);
	if (masked) {
		memcpy(to, mask, 4);
		put_masked(to + 4, bytes, n, mask);
		to += 4;
	} else if (n > 0) {
		memcpy(to, bytes, n);
	}
	f->out_size += (size_t)(to - start) + n;
	return true;
}

bool reef_frames_close(struct reef_frames *f, uint16_t code, const char *reason, size_t n) {
	return wslay_event_queue_close(f->context, code, (const uint8_t *)reason, n) == 0 && flush(f);
}

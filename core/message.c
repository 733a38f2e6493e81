/* Message nodes: see message.h. An inline payload sits right behind the header, aligned for any type. */
#include "message.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "alloc.h"

#define LARGE ((size_t)64 * 1024)
#define HEADER_SIZE ((sizeof(struct reef_message) + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1))

struct reef_message *reef_message_new(size_t size) {
	struct reef_message *m = reef_malloc(HEADER_SIZE + size);
	*m = (struct reef_message){.data = (char *)m + HEADER_SIZE, .size = size};
	return m;
}

inline struct reef_message *reef_message_try_new(size_t size) {
	if (size > LARGE) {
		/* In a block of its own, so that taking it out needs no second one. */
		void *data = reef_try_malloc(size);
		if (data == NULL)
			return NULL;
		struct reef_message *m = reef_try_malloc(sizeof *m);
		if (m == NULL)
			reef_free(data);
		else
			*m = (struct reef_message){.data = data, .size = size, .flags = REEF_MESSAGE_ATTACHED};
		return m;
	}
	struct reef_message *m = reef_try_malloc(HEADER_SIZE + size);
	if (m != NULL)
		*m = (struct reef_message){.data = (char *)m + HEADER_SIZE, .size = size};
	return m;
}

struct reef_message *reef_message_wrap(void *data, size_t size) {
	struct reef_message *m = reef_malloc(sizeof *m);
	*m = (struct reef_message){.data = data, .size = size, .flags = REEF_MESSAGE_ATTACHED};
	return m;
}

struct reef_payload {
	atomic_size_t holders;
	size_t size;
	alignas(max_align_t) char data[];
};

struct reef_payload *reef_payload_new(const void *data, size_t size) {
	struct reef_payload *payload = reef_try_malloc(sizeof *payload + size);
	if (payload == NULL)
		return NULL;
	atomic_init(&payload->holders, 1);
	payload->size = size;
	if (size > 0)
		memcpy(payload->data, data, size);
	return payload;
}

void reef_payload_hold(struct reef_payload *payload) {
	atomic_fetch_add_explicit(&payload->holders, 1, memory_order_relaxed);
}

void *reef_payload_bytes(struct reef_payload *payload, size_t *size) {
	*size = payload->size;
	return payload->data;
}

void reef_payload_release(struct reef_payload *payload) {
	if (atomic_fetch_sub_explicit(&payload->holders, 1, memory_order_acq_rel) == 1)
		reef_free(payload);
}

struct reef_message *reef_payload_message(struct reef_payload *payload) {
	struct reef_message *m = reef_try_malloc(sizeof *m);
	if (m == NULL)
		return NULL;
	reef_payload_hold(payload);
	*m = (struct reef_message){
			.data = payload->data, .size = payload->size, .flags = REEF_MESSAGE_ATTACHED | REEF_MESSAGE_SHARED};
	return m;
}

/* Of a message that is ATTACHED. */
static void free_data(struct reef_message *m) {
	if (m->flags & REEF_MESSAGE_SHARED)
		reef_payload_release((struct reef_payload *)((char *)m->data - offsetof(struct reef_payload, data)));
	else
		reef_free(m->data);
}

inline void reef_message_free(struct reef_message *m) {
	if (m->flags & REEF_MESSAGE_ATTACHED)
		free_data(m);
	reef_free(m);
}

void *reef_message_take(struct reef_message *m) {
	void *data = m->data;
	if (m->size == 0) {
		if (m->flags & REEF_MESSAGE_ATTACHED)
			free_data(m);
		data = NULL;
	} else if (!(m->flags & REEF_MESSAGE_ATTACHED)) {
		data = memcpy(reef_malloc(m->size), data, m->size);
	} else if (m->flags & REEF_MESSAGE_SHARED) {
		data = memcpy(reef_malloc(m->size), data, m->size);
		free_data(m);
	}
	m->data = NULL;
	m->size = 0;
	m->flags = (uint8_t)((m->flags | REEF_MESSAGE_ATTACHED) & ~REEF_MESSAGE_SHARED);
	return data;
}

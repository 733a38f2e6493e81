/* Message nodes: see message.h. An inline payload sits right behind the header, aligned for any type. */
#include "message.h"

#include <stdalign.h>
#include <string.h>

#include "alloc.h"

#define LARGE ((size_t)64 * 1024)
#define HEADER_SIZE ((sizeof(struct reef_message) + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1))

struct reef_message *reef_message_new(size_t size) {
	struct reef_message *m = reef_malloc(HEADER_SIZE + size);
	*m = (struct reef_message){.data = (char *)m + HEADER_SIZE, .size = size};
	return m;
}

struct reef_message *reef_message_try_new(size_t size) {
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

void reef_message_free(struct reef_message *m) {
	if (m->flags & REEF_MESSAGE_ATTACHED)
		reef_free(m->data);
	reef_free(m);
}

void *reef_message_take(struct reef_message *m) {
	void *data = m->data;
	if (m->size == 0) {
		if (m->flags & REEF_MESSAGE_ATTACHED)
			reef_free(data);
		data = NULL;
	} else if (!(m->flags & REEF_MESSAGE_ATTACHED)) {
		data = memcpy(reef_malloc(m->size), data, m->size);
	}
	m->data = NULL;
	m->size = 0;
	m->flags |= REEF_MESSAGE_ATTACHED;
	return data;
}

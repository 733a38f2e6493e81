/* See wqueue.h. The order of sending is: the low packet that is half sent, all normal blocks, the other low packets;
 * next_list says it for one block, and gather spells it out. */
#include "socket/wqueue.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"

/* Room of a block that small writes share: the first of a burst is small, since most bursts are. */
#define FIRST_ROOM 960
#define LAST_ROOM (16 * 1024)

struct reef_wblock {
	struct reef_wblock *next;
	char *data;        /* behind this header, or a block that was handed over */
	size_t begin, end; /* sent up to, filled up to */
	size_t room;       /* of a shared block; 0: handed over, or exactly filled */
};

static char *behind(struct reef_wblock *block) {
	return (char *)(block + 1);
}

static void block_delete(struct reef_wblock *block) {
	if (block->data != behind(block))
		reef_free(block->data);
	reef_free(block);
}

static void append(struct reef_wlist *list, struct reef_wblock *block) {
	block->next = NULL;
	if (list->tail)
		list->tail->next = block;
	else
		list->head = block;
	list->tail = block;
}

static void pop(struct reef_wlist *list) {
	struct reef_wblock *block = list->head;
	list->head = block->next;
	if (list->head == NULL)
		list->tail = NULL;
	block_delete(block);
}

void reef_wqueue_clear(struct reef_wqueue *q) {
	while (q->normal.head)
		pop(&q->normal);
	while (q->low.head)
		pop(&q->low);
	q->size = 0;
}

bool reef_wqueue_push(struct reef_wqueue *q, const void *bytes, size_t n, enum reef_priority priority) {
	if (n == 0)
		return true;
	struct reef_wlist *list = priority == REEF_LOW ? &q->low : &q->normal;
	struct reef_wblock *tail = list->tail;
	if (tail && tail->room - (tail->room ? tail->end : 0) >= n) {
		memcpy(tail->data + tail->end, bytes, n);
		tail->end += n;
		q->size += n;
		return true;
	}
	size_t room = 0;
	if (priority == REEF_NORMAL) {
		room = tail && tail->room ? tail->room * 4 : FIRST_ROOM;
		if (room > LAST_ROOM)
			room = LAST_ROOM;
	}
	size_t size = n > room ? n : room;
	struct reef_wblock *block = reef_try_malloc(sizeof *block + size);
	if (block == NULL)
		return false;
	*block = (struct reef_wblock){.data = behind(block), .end = n, .room = room >= n ? room : 0};
	memcpy(block->data, bytes, n);
	append(list, block);
	q->size += n;
	return true;
}

void reef_wqueue_push_take(struct reef_wqueue *q, void *data, size_t n, enum reef_priority priority) {
	if (n == 0) {
		reef_free(data);
		return;
	}
	struct reef_wblock *block = reef_malloc(sizeof *block);
	*block = (struct reef_wblock){.data = data, .end = n};
	append(priority == REEF_LOW ? &q->low : &q->normal, block);
	q->size += n;
}

static int gather(const struct reef_wblock *block, struct iovec *iov, int count, int max) {
	for (; block && count < max; block = block->next)
		iov[count++] = (struct iovec){.iov_base = block->data + block->begin, .iov_len = block->end - block->begin};
	return count;
}

int reef_wqueue_gather(const struct reef_wqueue *q, struct iovec *iov, int max) {
	int count = 0;
	const struct reef_wblock *low = q->low.head;
	if (low && low->begin > 0 && max > 0) {
		iov[count++] = (struct iovec){.iov_base = low->data + low->begin, .iov_len = low->end - low->begin};
		low = low->next;
	}
	count = gather(q->normal.head, iov, count, max);
	return gather(low, iov, count, max);
}

static struct reef_wlist *next_list(struct reef_wqueue *q) {
	if (q->low.head && (q->low.head->begin > 0 || q->normal.head == NULL))
		return &q->low;
	return &q->normal;
}

void reef_wqueue_sent(struct reef_wqueue *q, size_t n) {
	q->size -= n;
	while (n > 0) {
		struct reef_wlist *list = next_list(q);
		struct reef_wblock *block = list->head;
		size_t left = block->end - block->begin;
		if (n < left) {
			block->begin += n;
			return;
		}
		n -= left;
		pop(list);
	}
}

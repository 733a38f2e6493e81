/* See wqueue.h. The order of sending is: the low packet that is half sent, all normal blocks, the other low packets;
 * next_list says it for one block, and gather spells it out. */
#include "wqueue.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"

/* Room of a block that small writes share: the first of a burst is small, since most bursts are. */
#define FIRST_ROOM 960
#define LAST_ROOM (16 * 1024)

struct block {
	struct reef_link link;
	char *data;                   /* behind this header, a block that was handed over, or a payload's bytes */
	size_t begin, end;            /* sent up to, filled up to */
	size_t room;                  /* for more small writes; 0: handed over, or exactly filled */
	struct reef_payload *payload; /* whose bytes these are; NULL: our own */
};

static char *behind(struct block *block) {
	return (char *)(block + 1);
}

static void block_delete(struct block *block) {
	if (block->payload)
		reef_payload_release(block->payload);
	else if (block->data != behind(block))
		reef_free(block->data);
	reef_free(block);
}

static struct block *block_of(struct reef_link *link) {
	return reef_list_entry(link, struct block, link);
}

void reef_wqueue_init(struct reef_wqueue *q) {
	reef_list_init(&q->normal);
	reef_list_init(&q->low);
	q->size = 0;
}

static void clear_list(struct reef_list *list) {
	struct reef_link *link;
	while ((link = reef_list_pop(list)))
		block_delete(block_of(link));
}

void reef_wqueue_clear(struct reef_wqueue *q) {
	clear_list(&q->normal);
	clear_list(&q->low);
	q->size = 0;
}

inline bool reef_wqueue_push(struct reef_wqueue *q, const void *bytes, size_t n, enum reef_priority priority) {
	if (n == 0)
		return true;
	struct reef_list *list = priority == REEF_LOW ? &q->low : &q->normal;
	struct block *tail = block_of(reef_list_last(list));
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
	struct block *block = reef_try_malloc(sizeof *block + size);
	if (block == NULL)
		return false;
	*block = (struct block){.data = behind(block), .end = n, .room = room >= n ? room : 0};
	memcpy(block->data, bytes, n);
	reef_list_push(list, &block->link);
	q->size += n;
	return true;
}

void reef_wqueue_push_take(struct reef_wqueue *q, void *data, size_t n, enum reef_priority priority) {
	if (n == 0) {
		reef_free(data);
		return;
	}
	struct block *block = reef_malloc(sizeof *block);
	*block = (struct block){.data = data, .end = n};
	reef_list_push(priority == REEF_LOW ? &q->low : &q->normal, &block->link);
	q->size += n;
}

void reef_wqueue_push_shared(struct reef_wqueue *q, struct reef_payload *payload) {
	size_t n;
	char *data = reef_payload_bytes(payload, &n);
	if (n == 0)
		return;
	reef_payload_hold(payload);
	struct block *block = reef_malloc(sizeof *block);
	*block = (struct block){.data = data, .end = n, .payload = payload};
	reef_list_push(&q->normal, &block->link);
	q->size += n;
}

static struct iovec unsent_part(const struct block *block) {
	return (struct iovec){.iov_base = block->data + block->begin, .iov_len = block->end - block->begin};
}

/* From `link` on. */
static int gather_list(const struct reef_list *list, struct reef_link *link, struct iovec *iov, int count, int max) {
	for (; link && count < max; link = reef_list_next(list, link))
		iov[count++] = unsent_part(block_of(link));
	return count;
}

static bool is_half_sent(struct reef_link *low) {
	return low && block_of(low)->begin > 0;
}

int reef_wqueue_gather(const struct reef_wqueue *q, struct iovec *iov, int max) {
	int count = 0;
	struct reef_link *low = reef_list_first(&q->low);
	if (low == NULL)
		return gather_list(&q->normal, reef_list_first(&q->normal), iov, 0, max);
	if (is_half_sent(low) && max > 0) {
		iov[count++] = unsent_part(block_of(low));
		low = reef_list_next(&q->low, low);
	}
	count = gather_list(&q->normal, reef_list_first(&q->normal), iov, count, max);
	return gather_list(&q->low, low, iov, count, max);
}

static struct reef_list *next_list(struct reef_wqueue *q) {
	struct reef_link *low = reef_list_first(&q->low);
	return is_half_sent(low) || reef_list_is_empty(&q->normal) ? &q->low : &q->normal;
}

inline void reef_wqueue_sent(struct reef_wqueue *q, size_t n) {
	q->size -= n;
	while (n > 0) {
		struct block *block = block_of(reef_list_first(next_list(q)));
		size_t left = block->end - block->begin;
		if (n < left) {
			block->begin += n;
			return;
		}
		n -= left;
		reef_link_remove(&block->link);
		block_delete(block);
	}
}

/* The list of the house: doubly linked through a member of what is in it, a ring with its head.
 *
 *     struct reef_list waiting;          // the head; reef_list_init
 *     struct reef_link link;             // a member of what is linked
 *     struct waiter *w = reef_list_entry(reef_list_first(&waiting), struct waiter, link);
 *
 * One thread at a time. Owns nothing. A link that is in no list may be zeroed memory or one that was removed. */
#ifndef REEF_LIST_H
#define REEF_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct reef_link {
	struct reef_link *next, *prev;
};

struct reef_list {
	struct reef_link head;
};

/* What the link is a member of; NULL for NULL. */
#define reef_list_entry(link, type, member)                                                                            \
	({                                                                                                                 \
		struct reef_link *link_ = (link);                                                                              \
		link_ == NULL ? NULL : (type *)(void *)((char *)link_ - offsetof(type, member));                               \
	})

static inline void reef_list_init(struct reef_list *list) {
	list->head.next = list->head.prev = &list->head;
}

static inline bool reef_list_is_empty(const struct reef_list *list) {
	return list->head.next == &list->head;
}

static inline bool reef_link_is_linked(const struct reef_link *link) {
	return link->next != NULL;
}

/* NULL if it is empty. */
static inline struct reef_link *reef_list_first(const struct reef_list *list) {
	return list->head.next == &list->head ? NULL : list->head.next;
}

static inline struct reef_link *reef_list_last(const struct reef_list *list) {
	return list->head.prev == &list->head ? NULL : list->head.prev;
}

/* The one behind `link`, NULL at the end. */
static inline struct reef_link *reef_list_next(const struct reef_list *list, const struct reef_link *link) {
	return link->next == &list->head ? NULL : link->next;
}

static inline void reef_link_insert_(struct reef_link *link, struct reef_link *prev, struct reef_link *next) {
	link->prev = prev;
	link->next = next;
	prev->next = next->prev = link;
}

static inline void reef_list_push(struct reef_list *list, struct reef_link *link) {
	reef_link_insert_(link, list->head.prev, &list->head);
}

static inline void reef_list_push_front(struct reef_list *list, struct reef_link *link) {
	reef_link_insert_(link, &list->head, list->head.next);
}

/* Takes it out of whatever list it is in; nothing if it is in none. */
static inline void reef_link_remove(struct reef_link *link) {
	if (link->next == NULL)
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = NULL;
}

/* Takes out the first; NULL if it is empty. */
static inline struct reef_link *reef_list_pop(struct reef_list *list) {
	struct reef_link *link = reef_list_first(list);
	if (link != NULL)
		reef_link_remove(link);
	return link;
}

#endif

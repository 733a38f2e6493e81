/* The growing array of the house: `items`, `count` and `capacity` side by side in whatever struct wants one.
 *
 *     struct REEF_ARRAY(struct reader) readers;
 *     struct reader *reader = reef_array_add(&readers);
 *
 * One thread at a time; the owner of the fields owns the items, which move when the array grows. */
#ifndef REEF_ARRAY_H
#define REEF_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "alloc.h"

#define REEF_ARRAY(type)                                                                                               \
	{                                                                                                                  \
		type *items;                                                                                                   \
		size_t count, capacity;                                                                                        \
	}

/* Makes room for `wanted` items of `size` bytes: at least doubles the capacity. The items' new place; NULL when out of
 * memory: nothing has changed. */
void *reef_array_enlarge(void *items, size_t *capacity, size_t wanted, size_t size);

/* True: there is room for `n` more items. False when out of memory. */
#define reef_array_reserve(array, n)                                                                                   \
	({                                                                                                                 \
		__typeof__(array) a_ = (array);                                                                                \
		size_t wanted_ = a_->count + (n);                                                                              \
		void *items_ = wanted_ <= a_->capacity                                                                         \
							   ? (void *)a_->items                                                                     \
							   : reef_array_enlarge(a_->items, &a_->capacity, wanted_, sizeof(*a_->items));            \
		if (items_ != NULL)                                                                                            \
			a_->items = items_;                                                                                        \
		items_ != NULL || wanted_ == 0;                                                                                \
	})

/* Adds an item, all zero: its address. NULL when out of memory. */
#define reef_array_add(array)                                                                                          \
	({                                                                                                                 \
		__typeof__(array) b_ = (array);                                                                                \
		__typeof__(b_->items) item_ = NULL;                                                                            \
		if (reef_array_reserve(b_, 1))                                                                                 \
			item_ = memset(&b_->items[b_->count++], 0, sizeof(*item_));                                                \
		item_;                                                                                                         \
	})

/* Frees the items; the array is empty and may be used again. */
#define reef_array_fini(array)                                                                                         \
	({                                                                                                                 \
		__typeof__(array) a_ = (array);                                                                                \
		reef_free(a_->items);                                                                                          \
		a_->items = NULL;                                                                                              \
		a_->count = a_->capacity = 0;                                                                                  \
	})

#endif

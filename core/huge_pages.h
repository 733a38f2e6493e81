/* Huge pages for what the allocator gets from the system, while there are many services.
 *
 * Thousands of services that have their turn one after the other find the addresses of their pages in no cache: each slice
 * begins with walks through page tables. In huge pages there are 512 times fewer to find. A small process would only pay for
 * them, since of each huge page that is touched all is there.
 *
 * Any thread may call these; without jemalloc, or without huge pages in the system, they do nothing. */
#ifndef REEF_HUGE_PAGES_H
#define REEF_HUGE_PAGES_H

#include <stddef.h>

/* Of so many services they begin; of half as many they end: what is mapped stays as it is, but the system no longer
 * fills up with zeroes what was given back. */
#define REEF_HUGE_PAGES_MANY ((size_t)1024)

/* There is one service more, or less; so many are there now. */
void reef_huge_pages_grew(size_t services);
void reef_huge_pages_shrank(size_t services);

#endif

/* Asking the processor for a line of memory that is wanted soon. Any thread; any address, nothing is read. */
#ifndef REEF_PREFETCH_H
#define REEF_PREFETCH_H

/* To the second cache: the first one takes a few at a time, and whoever asks for more of them waits. */
static inline void reef_prefetch(const void *p) {
	__builtin_prefetch(p, 0, 2);
}

#endif

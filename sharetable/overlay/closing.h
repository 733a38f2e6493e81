/* The end of a VM that is a copy of an image. */
#ifndef REEF_SHARETABLE_CLOSING_H
#define REEF_SHARETABLE_CLOSING_H

#include <stddef.h>

/* The block that the VM lies in which this thread is about to close: it goes as a whole, so what lies in it is passed by.
 * All zero: there is none. */
struct reef_closing {
	const char *begin;
	size_t size;
};
extern _Thread_local struct reef_closing reef_closing;

#endif

/* Text that grows.
 *
 * A text is owned by whoever has the struct, which begins as all zero; free it with reef_text_free. Any thread.
 */
#ifndef REEF_TEXT_H
#define REEF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct reef_text {
	char *data; /* not terminated; NULL while nothing was added */
	size_t size, capacity;
	bool failed; /* there was no memory for something: the text is not whole */
};

/* These add nothing and set `failed` when there is no memory. */
void reef_text_add(struct reef_text *t, const char *bytes, size_t size);
/* Adds `text` as valid UTF-8 without control characters except newline and tab: each byte of another control character
 * (C0, DEL, C1), of what changes the direction or the lines of text (U+2028 to U+202E, U+2066 to U+2069), and of what is
 * no UTF-8, becomes `\xHH`. */
void reef_text_add_printable(struct reef_text *t, const char *text, size_t size);
void reef_text_free(struct reef_text *t);

/* Are two words one letter apart: one too many, missing, changed, or swapped with its neighbour? */
bool reef_text_is_one_away(const char *a, const char *b);

#endif

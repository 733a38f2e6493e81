/* See regex.h. */
#include "regex.h"

void reef_bson_regex_sort_flags(char *flags, size_t size) {
	/* Flags are letters. What is not stays as it is: sorted bytes of other characters would be no text any more. */
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)flags[i] >= 0x80)
			return;
	}
	for (size_t i = 1; i < size; i++) {
		char c = flags[i];
		size_t j = i;
		for (; j > 0 && flags[j - 1] > c; j--) {
			flags[j] = flags[j - 1];
		}
		flags[j] = c;
	}
}

/* Whatever a server greets with, the look at it reads nothing beyond the bytes, and what it lets pass has the parts that
 * libmariadb takes for granted: a version that ends, and behind it at least a scramble. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/mysql/greeting.h"

enum { HEADER = 4, BEHIND_VERSION = 44 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	/* A copy of just that size, so that a byte too many is found. */
	uint8_t *bytes = malloc(size ? size : 1);
	memcpy(bytes, data, size);
	if (reef_mysql_greeting_fault(bytes, size) == NULL && bytes[HEADER] != 0xff) {
		const uint8_t *version = bytes + HEADER + 1;
		const uint8_t *end = memchr(version, 0, size - HEADER - 1);
		assert(end && end > version);
		assert((size_t)(bytes + size - end) > BEHIND_VERSION);
	}
	free(bytes);
	return 0;
}

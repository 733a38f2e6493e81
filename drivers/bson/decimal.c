/* Decimal128 through libbson. A coefficient of more than 34 digits stands for zero, which libbson does not know. */
#include "decimal.h"

#include <bson/bson.h>

#include "writer.h"

_Static_assert(BSON_DECIMAL128_STRING <= REEF_DECIMAL_TEXT, "text of a decimal128");

static bool too_many_digits(const bson_decimal128_t *d) {
	/* 10^34 - 1 */
	const uint64_t high = UINT64_C(0x0001ed09bead87c0), low = UINT64_C(0x378d8e63ffffffff);
	if ((d->high >> 61 & 3) == 3) {
		return false;
	}
	uint64_t coefficient = d->high & UINT64_C(0x0001ffffffffffff);
	return coefficient > high || (coefficient == high && d->low > low);
}

void reef_decimal_print(char *out, const uint8_t bytes[REEF_DECIMAL_SIZE]) {
	bson_decimal128_t d = {.low = reef_get64(bytes), .high = reef_get64(bytes + 8)};
	if (too_many_digits(&d)) {
		d.low = 0;
		d.high &= ~UINT64_C(0x0001ffffffffffff);
	}
	bson_decimal128_to_string(&d, out);
}

bool reef_decimal_parse(uint8_t bytes[REEF_DECIMAL_SIZE], const char *text) {
	bson_decimal128_t d;
	if (!bson_decimal128_from_string(text, &d)) {
		return false;
	}
	reef_put64(bytes, d.low);
	reef_put64(bytes + 8, d.high);
	return true;
}

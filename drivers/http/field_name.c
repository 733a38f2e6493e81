/* See field_name.h. */
#include "drivers/http/field_name.h"

#include <string.h>
#include <strings.h>

/* RFC 9110, section 5.6.2. */
static const char is_token[256] = {
		['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
		['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0'] = 1,  ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
		['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['a'] = 1,  ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,
		['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1,  ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1,
		['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1,  ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1,
		['z'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,  ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1,
		['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1,  ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1,
		['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1,  ['Z'] = 1,
};

bool reef_http_is_field_name(const char *name, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (!is_token[(unsigned char)name[i]])
			return false;
	return n > 0;
}

static enum reef_http_field_kind if_it_is(const char *name, const char *known, enum reef_http_field_kind kind) {
	return strncasecmp(name, known, strlen(known)) == 0 ? kind : REEF_HTTP_LIST;
}

enum reef_http_field_kind reef_http_field_kind(const char *name, size_t n) {
	switch (n) {
	case 4:
		if (if_it_is(name, "date", REEF_HTTP_DATE))
			return REEF_HTTP_DATE;
		if (if_it_is(name, "host", REEF_HTTP_HOST))
			return REEF_HTTP_HOST;
		return if_it_is(name, "etag", REEF_HTTP_ETAG);
	case 6:
		return if_it_is(name, "expect", REEF_HTTP_EXPECT);
	case 8:
		return if_it_is(name, "location", REEF_HTTP_LOCATION);
	case 10:
		return if_it_is(name, "connection", REEF_HTTP_CONNECTION);
	case 12:
		return if_it_is(name, "content-type", REEF_HTTP_TYPE);
	case 13:
		if (if_it_is(name, "last-modified", REEF_HTTP_MODIFIED))
			return REEF_HTTP_MODIFIED;
		if (if_it_is(name, "content-range", REEF_HTTP_RANGE))
			return REEF_HTTP_RANGE;
		return if_it_is(name, "authorization", REEF_HTTP_AUTHORIZATION);
	case 14:
		return if_it_is(name, "content-length", REEF_HTTP_LENGTH);
	case 17:
		return if_it_is(name, "transfer-encoding", REEF_HTTP_ENCODING);
	case 19:
		return if_it_is(name, "proxy-authorization", REEF_HTTP_PROXY_AUTHORIZATION);
	default:
		return REEF_HTTP_LIST;
	}
}

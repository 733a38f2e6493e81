/* See csv_type.h. */
#include "csv_type.h"

#include <string.h>
#include <strings.h>

#include "csv_number.h"

static const char *const names[] = {"integer", "number", "boolean", "string"};

enum reef_csv_type reef_csv_type_named(const char *name) {
	enum reef_csv_type type = REEF_CSV_INTEGER;
	while (type < REEF_CSV_UNKNOWN && (name == NULL || strcmp(names[type], name) != 0))
		type++;
	return type;
}

enum reef_csv_type reef_csv_type_join(enum reef_csv_type a, enum reef_csv_type b) {
	if (a == b || b == REEF_CSV_UNKNOWN)
		return a;
	if (a == REEF_CSV_UNKNOWN)
		return b;
	return a <= REEF_CSV_NUMBER && b <= REEF_CSV_NUMBER ? REEF_CSV_NUMBER : REEF_CSV_STRING;
}

static bool is_boolean(const char *s) {
	return strcasecmp(s, "true") == 0 || strcasecmp(s, "false") == 0;
}

/* Are all digits of the number's text 0, so that it is not one that is only too small? */
static bool is_zero(const char *s) {
	size_t i = strcspn(s, "123456789eE");
	return s[i] < '1' || s[i] > '9';
}

/* Pushes the number that the text is, which reef_csv_is_number has seen. False, and nothing is pushed, if the type has none. */
static bool push_number(lua_State *L, const char *s, enum reef_csv_type type) {
	if (lua_stringtonumber(L, s + (*s == '+')) == 0)
		return false;
	if (lua_isinteger(L, -1))
		return true;
	lua_Number n = lua_tonumber(L, -1);
	if (type == REEF_CSV_NUMBER && n - n == 0 && (n != 0 || is_zero(s)))
		return true;
	int exact = 0;
	lua_Integer i = lua_tointegerx(L, -1, &exact);
	lua_pop(L, 1);
	if (type == REEF_CSV_INTEGER && exact)
		lua_pushinteger(L, i);
	return type == REEF_CSV_INTEGER && exact;
}

enum reef_csv_type reef_csv_type_of(lua_State *L, const char *bytes, size_t n, bool quoted) {
	struct reef_csv_number number;
	if (quoted)
		return REEF_CSV_STRING;
	if (!reef_csv_is_number(bytes, n, &number) || number.leading_zero)
		return strlen(bytes) == n && is_boolean(bytes) ? REEF_CSV_BOOLEAN : REEF_CSV_STRING;
	if (!number.plain)
		return REEF_CSV_NUMBER;
	if (n <= 17)
		return REEF_CSV_INTEGER;
	/* Long numbers are names of something unless all their digits count. */
	if (!push_number(L, bytes, REEF_CSV_INTEGER))
		return REEF_CSV_STRING;
	lua_pop(L, 1);
	return REEF_CSV_INTEGER;
}

bool reef_csv_push(lua_State *L, const char *bytes, size_t n, enum reef_csv_type type, bool *out_of_range) {
	struct reef_csv_number number;
	*out_of_range = false;
	if (bytes == NULL || (n == 0 && type != REEF_CSV_STRING))
		return false;
	if (type == REEF_CSV_BOOLEAN && is_boolean(bytes)) {
		lua_pushboolean(L, (*bytes | 32) == 't');
	} else if (type > REEF_CSV_NUMBER || !reef_csv_is_number(bytes, n, &number)) {
		lua_pushlstring(L, bytes, n);
	} else if (number.small) {
		lua_pushinteger(L, number.value);
	} else if (!push_number(L, bytes, type)) {
		*out_of_range = true;
		lua_pushlstring(L, bytes, n);
	}
	return true;
}

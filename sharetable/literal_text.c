/* See literal_text.h. */
#include "literal_text.h"

#include <ctype.h>
#include <string.h>

#include <lauxlib.h>

#include "core/decimal.h"

#define NUMBER_SIZE 200
#define INTEGER_DIGITS 18 /* fit in 64 bits */

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

static bool is_name_byte(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

static bool is_blank(char c) {
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- blanks ---- */

/* The bytes between long brackets: `*p` is at the first one, and behind the last one afterwards. NULL: it has no end, or line
 * ends that Lua makes others of. */
static const char *long_bracket(const char *p, struct reef_literal_span *span) {
	char end[32] = "]";
	size_t level = strspn(p + 1, "=");
	if (level + 3 > sizeof(end))
		return NULL;
	memset(end + 1, '=', level);
	memcpy(end + 1 + level, "]", 2);
	p += level + 2;
	const char *last = strstr(p, end);
	if (last == NULL || memchr(p, '\r', (size_t)(last - p)) != NULL)
		return NULL;
	p += *p == '\n';
	*span = (struct reef_literal_span){p, (size_t)(last - p)};
	return last + level + 2;
}

bool reef_literal_is_long(const char *p) {
	return *p == '[' && p[1 + strspn(p + 1, "=")] == '[';
}

const char *reef_literal_blanks(const char *p) {
	for (;;) {
		while (is_blank(*p))
			p++;
		if (*p != '-' || p[1] != '-')
			return p;
		p += 2;
		struct reef_literal_span comment;
		if (!reef_literal_is_long(p))
			p += strcspn(p, "\r\n");
		else if ((p = long_bracket(p, &comment)) == NULL)
			return NULL;
	}
}

const char *reef_literal_name(const char *p, struct reef_literal_span *name) {
	*name = (struct reef_literal_span){p, 0};
	if (is_digit(*p))
		return p;
	while (is_name_byte(*p))
		p++;
	name->size = (size_t)(p - name->begin);
	return p;
}

/* ---- strings ---- */

/* Adds what the escape behind a backslash stands for. */
static const char *add_escape(luaL_Buffer *buffer, const char *p) {
	static const char names[] = "abfnrtv\\\"'\n", meant[] = "\a\b\f\n\r\t\v\\\"'\n";
	const char *name = *p == '\0' ? NULL : strchr(names, *p);
	if (name != NULL) {
		luaL_addchar(buffer, meant[name - names]);
		return p[0] == '\n' && p[1] == '\r' ? NULL : p + 1;
	}
	if (*p == 'z') {
		p++;
		while (is_blank(*p))
			p++;
		return p;
	}
	unsigned int code = 0;
	if (*p == 'x') {
		for (int i = 1; i <= 2; i++) {
			if (!isxdigit((unsigned char)p[i]))
				return NULL;
			code = code * 16 + (unsigned int)(is_digit(p[i]) ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
		}
		p += 3;
	} else {
		const char *digits = p;
		for (; p < digits + 3 && is_digit(*p); p++)
			code = code * 10 + (unsigned int)(*p - '0');
		if (p == digits || code > 255)
			return NULL;
	}
	luaL_addchar(buffer, (char)code);
	return p;
}

static const char *escaped_string(lua_State *L, const char *p, struct reef_literal_value *value) {
	luaL_Buffer buffer;
	const char ends[] = {*p, '\\', '\n', '\r', '\0'}, quote = *p++;
	luaL_buffinit(L, &buffer);
	while (p != NULL && *p != quote) {
		size_t n = strcspn(p, ends);
		luaL_addlstring(&buffer, p, n);
		p += n;
		if (*p == '\\')
			p = add_escape(&buffer, p + 1);
		else if (*p != quote)
			p = NULL;
	}
	luaL_pushresult(&buffer);
	value->kind = REEF_LITERAL_PUSHED;
	return p == NULL ? NULL : p + 1;
}

static const char *string(lua_State *L, const char *begin, struct reef_literal_value *value) {
	static const bool ends[256] = {
			['"'] = true, ['\''] = true, ['\\'] = true, ['\n'] = true, ['\r'] = true, [0] = true};
	const char *p = begin + 1;
	while (!ends[(unsigned char)*p] || (*p != *begin && (*p == '"' || *p == '\'')))
		p++;
	if (*p == '\\')
		return escaped_string(L, begin, value);
	value->kind = REEF_LITERAL_STRING;
	value->u.string = (struct reef_literal_span){begin + 1, (size_t)(p - begin - 1)};
	return *p == *begin ? p + 1 : NULL;
}

/* ---- numbers ---- */

/* Any number: what llex.c takes for the text of one, read by Lua. */
static const char *any_number(lua_State *L, const char *begin, struct reef_literal_value *value) {
	char text[NUMBER_SIZE];
	bool hex = begin[0] == '0' && (begin[1] | 32) == 'x';
	const char *p = begin + (hex ? 2 : 0);
	while (isxdigit((unsigned char)*p) || *p == '.' || (*p | 32) == (hex ? 'p' : 'e')) {
		bool exponent = (*p++ | 32) == (hex ? 'p' : 'e');
		p += exponent && (*p == '+' || *p == '-');
	}
	size_t n = (size_t)(p - begin);
	if (is_name_byte(*p) || n >= sizeof(text))
		return NULL;
	memcpy(text, begin, n);
	text[n] = '\0';
	if (lua_stringtonumber(L, text) != n + 1)
		return NULL;
	value->kind = lua_isinteger(L, -1) ? REEF_LITERAL_INTEGER : REEF_LITERAL_NUMBER;
	if (value->kind == REEF_LITERAL_INTEGER)
		value->u.integer = lua_tointeger(L, -1);
	else
		value->u.number = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return p;
}

static const char *number(lua_State *L, const char *begin, struct reef_literal_value *value) {
	const char *p = begin;
	lua_Unsigned digits = 0;
	for (; is_digit(*p); p++)
		digits = digits * 10 + (lua_Unsigned)(*p - '0');
	size_t n = (size_t)(p - begin);
	if (*p != '.') {
		if (n > INTEGER_DIGITS || is_name_byte(*p))
			return any_number(L, begin, value);
		value->kind = REEF_LITERAL_INTEGER;
		value->u.integer = (lua_Integer)digits;
		return p;
	}
	const char *fraction = ++p;
	for (; is_digit(*p); p++)
		digits = digits * 10 + (lua_Unsigned)(*p - '0');
	n += (size_t)(p - fraction);
	if (n == 0 || n > REEF_DECIMAL_DIGITS || is_name_byte(*p) || *p == '.')
		return any_number(L, begin, value);
	value->kind = REEF_LITERAL_NUMBER;
	value->u.number = reef_decimal(digits, (unsigned int)(p - fraction));
	return p;
}

static const char *negative(lua_State *L, const char *p, struct reef_literal_value *value) {
	p = reef_literal_blanks(p);
	if (p == NULL || !(is_digit(*p) || *p == '.'))
		return NULL;
	p = number(L, p, value);
	if (p == NULL)
		return NULL;
	if (value->kind == REEF_LITERAL_INTEGER)
		value->u.integer = (lua_Integer)(0 - (lua_Unsigned)value->u.integer);
	else
		value->u.number = -value->u.number;
	return p;
}

/* ---- all ---- */

static const char *boolean(const char *p, struct reef_literal_value *value) {
	struct reef_literal_span name;
	p = reef_literal_name(p, &name);
	value->kind = REEF_LITERAL_BOOLEAN;
	value->u.boolean = name.size == 4 && memcmp(name.begin, "true", 4) == 0;
	return value->u.boolean || (name.size == 5 && memcmp(name.begin, "false", 5) == 0) ? p : NULL;
}

const char *reef_literal_constant(lua_State *L, const char *p, struct reef_literal_value *value) {
	if (is_digit(*p) || *p == '.')
		return number(L, p, value);
	if (*p == '"' || *p == '\'')
		return string(L, p, value);
	if (*p == '-')
		return negative(L, p + 1, value);
	if (!reef_literal_is_long(p))
		return boolean(p, value);
	value->kind = REEF_LITERAL_STRING;
	return long_bracket(p, &value->u.string);
}

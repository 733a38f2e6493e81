/* The constants in a text of Lua, as llex.c has them: what literal.c is made of. What is not short to say, or wrong, is left
 * to Lua. Free of state, but for the Lua state, on whose stack strings with escapes are made. */
#ifndef REEF_SHARETABLE_LITERAL_TEXT_H
#define REEF_SHARETABLE_LITERAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

struct reef_literal_span {
	const char *begin; /* in the text */
	size_t size;
};

enum reef_literal_kind {
	REEF_LITERAL_INTEGER,
	REEF_LITERAL_NUMBER,
	REEF_LITERAL_BOOLEAN,
	REEF_LITERAL_STRING,
	REEF_LITERAL_PUSHED, /* on the stack */
};

struct reef_literal_value {
	enum reef_literal_kind kind;
	union {
		lua_Integer integer;
		lua_Number number;
		bool boolean;
		struct reef_literal_span string;
	} u;
};

/* All of these return where the text goes on, NULL: Lua has to look. There is one NUL, behind the text. */

const char *reef_literal_blanks(const char *p);
/* The name that begins there: size 0 if none does. Reserved words are names here. */
const char *reef_literal_name(const char *p, struct reef_literal_span *name);
/* A boolean, a number or a string. */
const char *reef_literal_constant(lua_State *L, const char *p, struct reef_literal_value *value);
/* Does a long string begin there? */
bool reef_literal_is_long(const char *p);

#endif

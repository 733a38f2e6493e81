/* lstrlib.c with patterns and repetitions that can be interrupted (interrupt.h), and a plain find that is linear. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#define LUA_LIB
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "interrupt.h"

#define PIECE ((size_t)1 << 20) /* bytes copied between two looks at the alarm */

/* For a function that is called in several ways: REEF_NAME(PREFIX##x, y, ~) is y, unless the argument x begins with a word
 * for which PREFIX_word is a macro that gives another name. In definitions and prototypes that word is `const`. */
#define REEF_PICK(a, b, ...) b
#define REEF_NAME(...) REEF_PICK(__VA_ARGS__)

/* What takes long are repetitions, which try the rest of the pattern (at `ep`) again and again; sets may be as long as the
 * pattern. */
#define match(ms, s, p) REEF_NAME(REEF_MATCH_##p, stock_match, ~)(ms, s, p)
#define REEF_MATCH_ep ~, reef_match,
#define reef_match(ms, s, p) (reef_interrupt_step((ms)->L, REEF_STEPS_OF_MATCH), stock_match(ms, s, p))

#define matchbracketclass(c, p, ec) REEF_NAME(REEF_SET_##p, reef_matchset, ~)(c, p, ec)
#define REEF_SET_const ~, stock_matchset,
#define reef_matchset(c, p, ec) (reef_interrupt_step(ms->L, ((ec) - (p)) / 8), stock_matchset(c, p, ec))

/* Looked at for each character: part of the loops that ask it, as the compiler has it without the steps in there. */
#define singlematch(a, ...) REEF_SINGLE_##a, __VA_ARGS__)
#define REEF_SINGLE_MatchState inline __attribute__((always_inline)) singlematch(MatchState
#define REEF_SINGLE_ms singlematch(ms

/* Renames the definition but sends its caller elsewhere: see ov_lstring.c. */
#define matchbalance(a, ...) REEF_BALANCE_##a, __VA_ARGS__)
#define REEF_BALANCE_MatchState stock_matchbalance(MatchState
#define REEF_BALANCE_ms reef_matchbalance(ms
#define reef_matchbalance(ms, s, p)                                                                                    \
	__extension__({                                                                                                    \
		const char *const from = (s), *const to = stock_matchbalance(ms, from, p);                                     \
		reef_interrupt_step((ms)->L, ((to != NULL ? to : (ms)->src_end) - from) / 8);                                  \
		to;                                                                                                            \
	})

static const char *reef_find(const char *text, size_t size, const char *what, size_t length);
static const char *stock_find(const char *text, size_t size, const char *what, size_t length) __attribute__((unused));
#define lmemfind(a, ...) REEF_FIND_##a, __VA_ARGS__)
#define REEF_FIND_const stock_find(const
#define REEF_FIND_s reef_find(s

/* The table of functions names str_rep without an argument. */
static int str_rep(lua_State *L);
static int stock_str_rep(lua_State *L);
#define str_rep(a) stock_str_rep(a)
#include "lstrlib.c"
#undef str_rep

static const char *reef_find(const char *text, size_t size, const char *what, size_t length) {
	return memmem(text, size, what, length);
}

/* Short results and errors are left to the stock function. */
static int str_rep(lua_State *L) {
	size_t length, between;
	const char *s = luaL_checklstring(L, 1, &length);
	lua_Integer n = luaL_checkinteger(L, 2);
	const char *separator = luaL_optlstring(L, 3, "", &between);
	if (length == 0 && between == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	size_t one = length + between;
	if (n <= 1 || one < length || one > MAXSIZE / (size_t)n || one * (size_t)n < PIECE)
		return stock_str_rep(L);
	size_t total = one * (size_t)n - between, done = one;
	luaL_Buffer buffer;
	char *p = luaL_buffinitsize(L, &buffer, total);
	memcpy(p, s, length);
	memcpy(p + length, separator, between);
	while (done < total) {
		size_t piece = done < PIECE ? done : PIECE / one > 0 ? PIECE / one * one : one;
		if (piece > total - done)
			piece = total - done;
		memcpy(p + done, p, piece);
		done += piece;
		reef_interrupt_step(L, 0);
	}
	luaL_pushresultsize(&buffer, total);
	return 1;
}

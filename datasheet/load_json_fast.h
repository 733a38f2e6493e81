/* JSON that is good, by simdjson: several times as fast as what load_json.c does, and the same values. Own slice only. */
#ifndef REEF_DATASHEET_LOAD_JSON_FAST_H
#define REEF_DATASHEET_LOAD_JSON_FAST_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef REEF_SIMDJSON
/* Pushes the value that the text says. False, and nothing is pushed: there is something to be said about the text, or it
 * is for the other parser to tell whether there is. Raises when there is no memory. */
bool reef_load_json_fast(lua_State *L, const char *text, size_t n);
#else
static inline bool reef_load_json_fast(lua_State *L, const char *text, size_t n) {
	(void)L;
	(void)text;
	(void)n;
	return false;
}
#endif

#ifdef __cplusplus
}
#endif

#endif

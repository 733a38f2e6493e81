/* Loaders: the text of a file becomes Lua values, and the place of any value in it can be found again.
 *
 * Parsing is the work of libraries (libcsv, simdjson, jansson, toml++). Values carry no places; who has something to say about one
 * asks for its line afterwards, and the text is gone through once more. So good data costs nothing for it, and a value
 * is an ordinary Lua value.
 *
 * The Lua functions here are those of `reef.config.core`. A place is a table { line=, column= }, both from 1, columns in
 * characters; a problem is a place with a `message`. What is asked for is a tree of tables that follows the keys of the
 * values: { sub = { [key] = { at = number of the question, sub = ... } } }. Own slice only.
 */
#ifndef REEF_DATASHEET_LOAD_H
#define REEF_DATASHEET_LOAD_H

#include <stddef.h>

#include <lua.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REEF_LOAD_MAX_DEPTH 100
#define REEF_LOAD_MAX_PROBLEMS 1000

/* Sets the array `problems` (a table at an absolute index): one more problem. Past the limit it only counts them, in
 * its field `more`. The message is on top of the stack and is popped. A column of 0 is left out. */
void reef_load_problem(lua_State *L, int problems, size_t line, size_t column);
/* Sets places[at] to a place. */
void reef_load_place(lua_State *L, int places, lua_Integer at, size_t line, size_t column);
/* With a node of the tree (or nil) on top: pushes its child for the key at that absolute index, or nil. */
void reef_load_child(lua_State *L, int key);
/* The question that the node on top of the stack stands for, 0 if none. */
lua_Integer reef_load_asked(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif

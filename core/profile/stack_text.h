/* A stack as a line of text, outermost function first, `;` between functions: what flame graphs are made of.
 *
 * Functions of Lua are `name (file:line)` with the line where they begin, or that which they are in; those of C are `name [C]`.
 * A text belongs to whoever has the struct. One thread at a time. */
#ifndef REEF_PROFILE_STACK_TEXT_H
#define REEF_PROFILE_STACK_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

struct reef_stack_text {
	size_t size;
	char bytes[16 * 1024];
};

/* Begins anew, with that word. */
void reef_stack_text_begin(struct reef_stack_text *text, const char *label);
/* Adds the functions that L is in, without those that `frame` has called if that is one of them. `lines`: with the lines
 * that they are in. False: `frame` is none of them, and the
 * innermost is one of Lua. */
bool reef_stack_text_frames(struct reef_stack_text *text, lua_State *L, const void *frame, bool lines);
/* Adds what L's innermost function, one of Lua, has called in C last: by `function`, if that is known, else by its code. */
void reef_stack_text_returned(struct reef_stack_text *text, lua_State *L, void (*function)(void));
/* Adds that function of C, if it is known; false: it is not. */
bool reef_stack_text_function(struct reef_stack_text *text, void (*function)(void));
/* Adds the name of the native function that has this address, or of the library that it is in. */
void reef_stack_text_address(struct reef_stack_text *text, void *address);

/* Functions of C have this name from now on. Callers see to it that nobody uses names meanwhile. */
void reef_stack_text_name(void (*function)(void), const char *name);

#endif

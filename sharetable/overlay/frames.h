/* The functions that a thread of Lua is in, for who looks at stacks often: by what calls them, without a search from the top
 * for each level. Own thread only; nothing is allocated, nothing raised. */
#ifndef REEF_SHARETABLE_FRAMES_H
#define REEF_SHARETABLE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

struct CallInfo;

/* Innermost first, at most `most`, which is even; of a deeper stack the inner and the outer half. `*skipped`: how many there
 * are between these. Good as lua_Debug.i_ci for lua_getinfo. Returns how many. */
size_t reef_frames(lua_State *L, struct CallInfo **frames, size_t most, size_t *skipped);
/* A frame's function of C; NULL: it is one of Lua. */
lua_CFunction reef_frame_function(const struct CallInfo *frame);
/* What the frame has called last, by the words of its code; NULL if that says nothing. For a frame of Lua whose call has just
 * returned. */
const char *reef_frame_last_call(lua_State *L, struct CallInfo *frame);
/* What lies at [1] of the table that the running function was called with first: the memory of a full userdata of that size;
 * NULL: something else, or there is no such table. */
void *reef_frame_self(const lua_State *L, size_t size);
/* The memory of the full userdata that the running function of C has as its first upvalue. */
void *reef_frame_own(const lua_State *L);
/* Do both belong to one VM? */
bool reef_frames_same_vm(const lua_State *a, const lua_State *b);

#endif

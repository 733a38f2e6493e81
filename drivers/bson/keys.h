/* Keys of documents as Lua strings: those that were met lately need no hashing and no comparing of strings again.
 *
 * Documents of one kind have the same keys, over and over. A VM keeps those of the last few hundred that are short. It
 * belongs to the VM's registry; that VM's thread only.
 */
#ifndef REEF_BSON_KEYS_H
#define REEF_BSON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_bson_keys;

/* Pushes the table of the strings, which has to stay on the stack while the keys are used. */
struct reef_bson_keys *reef_bson_keys_push(lua_State *L);
/* Pushes the key as a string. `readable` bytes may be looked at, at least `size`; `strings` is the table's index. False,
 * with nothing pushed: it is not valid UTF-8. */
bool reef_bson_keys_push_key(lua_State *L, struct reef_bson_keys *keys, int strings, const char *key, size_t size,
							 size_t readable);

#endif

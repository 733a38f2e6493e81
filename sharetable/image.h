/* The image: the libraries as they are in a fresh VM, kept in a form that is copied into each new VM.
 *
 * Opening the libraries one after the other inserts some two hundred functions into tables one by one, which is most of what
 * starting a small service costs. The image holds these tables ready, with strings that all VMs share; a VM gets its own
 * copies (it may change them as it likes), made by copying blocks and setting the references right.
 */
#ifndef REEF_SHARETABLE_IMAGE_H
#define REEF_SHARETABLE_IMAGE_H

#include <stdbool.h>

#include <lua.h>

/* Makes the image from a VM of its own, whose libraries `open` opens. Start-up only. False: no memory, or something in the libraries that is not
 * known; `open` serves every VM then. */
bool reef_image_setup(void (*open)(lua_State *L));

/* Opens the libraries as that function does; from the image if there is one, the VM does not look at the
 * environment (`LUA_NOENV` is set) and has no globals yet. May raise a memory error. */
void reef_image_open(lua_State *L);

#endif

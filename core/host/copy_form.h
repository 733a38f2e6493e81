/* The form of a VM that is built for copies: may it be copied, and what of it depends on more than what it holds. Knows how
 * Lua lays out its objects. Changes the VM of a build, which is its owner's. */
#ifndef REEF_COPY_FORM_H
#define REEF_COPY_FORM_H

#include <lua.h>

struct reef_build;

/* Why the VM cannot be copied, after its garbage has gone; NULL: it can. */
const char *reef_build_refuse(const struct reef_build *build, lua_State *L);
/* The same for what its main function has just left, garbage included: objects of scripts whose ends somebody would see. */
const char *reef_build_refuse_finalizers(lua_State *L);
/* Takes away what calls and values that were there before have left in places that are not in use. */
void reef_build_clear(struct reef_build *build, lua_State *L);

#endif

/* Which files are below a directory, and the symbolic links that decide it. Own slice only. */
#ifndef REEF_DATASHEET_LOAD_DIRECTORY_H
#define REEF_DATASHEET_LOAD_DIRECTORY_H

#include <lua.h>

/* list(directory) -> files: array of { path= below it, size=, stamp=, young=, age= seconds }; an array of the paths of all
 * directories; an array of { directory=, name= } for what else decides which files these are: symbolic links on the way
 * to them, and where these lead. A file with the same stamp has the same content, unless it was young. Names that begin
 * with a dot are passed over. Raises what cannot be read. */
int reef_load_directory(lua_State *L);

#endif

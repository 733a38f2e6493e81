/* sproto for Lua: the C module `sproto.core`. */
#ifndef REEF_SPROTO_LUA_SPROTO_H
#define REEF_SPROTO_LUA_SPROTO_H

/* Start-up of the driver: registers the module. */
void reef_sproto_setup(void);

#endif

/* The module `snlua`: services with a Lua VM. */
#ifndef REEF_SNLUA_H
#define REEF_SNLUA_H

struct reef_module;

extern const struct reef_module reef_snlua_module;

#endif

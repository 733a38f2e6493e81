/* The module of Lua services (host.c). */
#ifndef REEF_SNLUA_H
#define REEF_SNLUA_H

#include "service.h"

extern const struct reef_module reef_snlua_module __attribute__((weak));

#endif

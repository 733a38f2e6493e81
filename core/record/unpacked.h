/* The bytes of a message in words. */
#ifndef REEF_RECORD_UNPACKED_H
#define REEF_RECORD_UNPACKED_H

#include <stddef.h>

struct lua_State;

/* Pushes the values that are packed there as a text; false, and pushes nothing: they are no packed values. */
int reef_unpacked_push(struct lua_State *L, const char *bytes, size_t size);

#endif

/* Global names: `NAME`, without a dot, one namespace for all services.
 *
 * A name is bound once and for ever, even when its owner ends. Messages to a name that nobody has yet wait here until
 * somebody registers it. `.cslave` is told of a name that somebody waits for, with a REEF_PTYPE_TEXT message. Any thread
 * inside the engine.
 */
#ifndef REEF_GLOBAL_H
#define REEF_GLOBAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

/* May a global name read like this? 1 to 15 bytes, no `.` or `:` in front, not only digits. */
bool reef_global_valid(const char *name);

/* 0 if nobody has that name. */
uint32_t reef_global_find(const char *name);

/* Binds the name and sends what has waited for it, in order. False: the name is bound already, or not valid. */
bool reef_global_add(const char *name, uint32_t handle);

/* Sends m, whose source, session and type are set, to the owner of that name, or keeps it until there is one. Takes m in
 * every case. False: it can never arrive, since the name is not valid or its owner is dead. */
bool reef_global_send(const char *name, struct reef_message *m);

/* How many messages of living services wait for that name; `source` gets the sender of the first. 0: `.cslave` is told
 * again when one comes. */
size_t reef_global_waiting(const char *name, uint32_t *source);

/* Forgets all names and what still waits. When no other thread is left. */
void reef_global_fini(void);

#endif

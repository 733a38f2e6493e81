/* The rooms above core that are linked into this executable.
 *
 * Core never names them: the build writes the list (a generated rooms.c), lowest room first, and start-up calls each
 * once, before the first service, so that it can register its Lua modules, poll handlers and service modules.
 */
#ifndef REEF_ROOMS_H
#define REEF_ROOMS_H

/* NULL-terminated. A room's function is called reef_<room>_setup. */
extern void (*const reef_rooms[])(void);

#endif

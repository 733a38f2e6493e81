/* Word that something has changed in some directories: inotify, through the engine's poller.
 *
 * What has changed is not told. Whoever is told looks for himself, so that nothing depends on the order of events, and
 * a queue that has overflowed is as good as any other event. The word is a message of type text to the service that
 * made the watch; there is no other until it has called `read`. */
#ifndef REEF_DATASHEET_LOAD_WATCH_H
#define REEF_DATASHEET_LOAD_WATCH_H

#include <lua.h>

/* watch() -> watch; or nil and why not. Its methods are described where they are. Own slice only. */
int reef_load_watch(lua_State *L);
/* Start-up only. */
void reef_load_watch_setup(void);

#endif

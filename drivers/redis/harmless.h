/* The long list of commands: what is known to leave a connection as it was (special.h says what for). Any thread.
 *
 * tests/integration/redis_state.lua runs each command that the server has and looks at the connection afterwards.
 */
#ifndef REEF_REDIS_HARMLESS_H
#define REEF_REDIS_HARMLESS_H

#include <stdbool.h>

/* Is it known not to change the connection that it comes on? `word`: its first argument if that is a string, or NULL. */
bool reef_redis_is_harmless(const char *name, const char *word);

#endif

/* The process as a whole: from a filled environment to an orderly end. */
#ifndef REEF_RUNTIME_H
#define REEF_RUNTIME_H

#include <stdint.h>

/* Calls the setup functions of the rooms (NULL at the end, lowest room first) and runs until the last service has ended;
 * the environment is complete. Returns the exit code: 0 after an orderly end, 1
 * when start-up failed (logged), or what reef_end_set_exit_code said. Main thread only, once. */
int reef_runtime_run(void (*const *setups)(void));

/* Called, in order of registration, when all services but the logger have ended: hooks may go on until `deadline_ns`
 * (reef_now_ns scale) to finish what is under way, such as unsent output. Start-up only. */
void reef_runtime_on_stop(void (*hook)(uint64_t deadline_ns));

/* Called on SIGHUP: what comes from files is to be read again. On the main thread. Start-up only. */
void reef_runtime_on_hangup(void (*hook)(void));

#endif

/* The process as a whole: from a filled environment to an orderly end. */
#ifndef REEF_RUNTIME_H
#define REEF_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

/* Calls the setup functions of the rooms (NULL at the end, lowest room first) and runs until the last service has ended;
 * the environment is complete. Returns the exit code: 0 after an orderly end, 1
 * when start-up failed (logged), or what reef_runtime_set_exit_code said. Main thread only, once. */
int reef_runtime_run(void (*const *setups)(void));

/* The exit code of an otherwise orderly end: the first one that is not 0 stays. Any thread. */
void reef_runtime_set_exit_code(int code);

/* Called, in order of registration, when all services but the logger have ended: hooks may go on until `deadline_ns`
 * (reef_now_ns scale) to finish what is under way, such as unsent output. Start-up only. */
void reef_runtime_on_stop(void (*hook)(uint64_t deadline_ns));

/* Called on the releasing thread for every service that ends, after its instance is gone. Start-up only. */
void reef_runtime_on_service_end(void (*hook)(uint32_t handle));

/* Called on SIGHUP: what comes from files is to be read again. On the main thread. Start-up only. */
void reef_runtime_on_hangup(void (*hook)(void));

/* ---- for core ---- */
uint32_t reef_runtime_logger(void);
/* How many services do not keep the process alive. */
size_t reef_runtime_kept_services(void);
int reef_runtime_exit_code(void);
void reef_runtime_service_ended(uint32_t handle);

#endif

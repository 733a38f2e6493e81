/* The life of services: how they are launched, ended and released, and who hears of their ends. */
#ifndef REEF_SERVICE_LIFE_H
#define REEF_SERVICE_LIFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_service;

/* Launches a service of that module; `args` is its argument text. Logs `LAUNCH module args`. Returns its handle, or 0
 * with the reason logged: unknown module, or init refused. Any thread inside the engine. */
uint32_t reef_service_launch(const char *module, const char *args);

/* Ends a service: unreachable from now on, released when its slice is over (at once if it is idle). Requests in its
 * mailbox are answered with errors. False: no such service. */
bool reef_service_kill(uint32_t handle);
/* Nothing is launched any more: a launch that has not been refused is in reef_handle_list. Any thread. */
void reef_service_refuse_launches(void);

/* Service to be told (REEF_PTYPE_CLIENT, source = the dead) of every end; 0: nobody. */
void reef_service_set_monitor(uint32_t handle);
uint32_t reef_service_monitor(void);

/* Called on the releasing thread for every service that ends, after its instance is gone. Start-up only. */
void reef_service_on_end(void (*hook)(uint32_t handle));
/* Called when none is left but the log service. Start-up only. */
void reef_service_on_last_end(void (*hook)(void));
/* Living services, the log service included. Any thread. */
size_t reef_service_count(void);

/* ---- for whoever runs services ---- */

/* Ends the instance; the memory stays. Worker of the service only. */
void reef_service_release(struct reef_service *service);
/* After the release: gives the memory to the reclaimer. Nobody may be able to find the service any more, by its handle
 * or as what a worker runs. */
void reef_service_retire(struct reef_service *service);
/* The service was ended and does not come out of what it does: whoever waits for it hears of its end now. Any thread
 * inside the engine; again it does nothing. */
void reef_service_mourn(struct reef_service *service);

#endif

/* C services: shared objects written for the C API of the contract (`name_create`, `name_init`, ...; skynet.h). */
#ifndef REEF_CSERVICE_H
#define REEF_CSERVICE_H

#include <stdint.h>

#include "service.h"
#include "skynet.h"

/* Looks for `name` in the patterns of the configuration's `cpath` and loads it. NULL with the reason logged. The result
 * lives as long as the process. One thread at a time. */
const struct reef_module *reef_cservice_load(const char *name);

/* Makes a C service of ours known: what a shared object of that name would export. Start-up only. */
void reef_cservice_register(const char *name, void *(*create)(void),
							int (*init)(void *instance, struct skynet_context *context, const char *param),
							void (*release)(void *instance));
/* Says in the log that a file of the configuration's `cpath` stands behind that service of ours, if there is one. */
void reef_cservice_tell_passed_over(const char *name);

/* For a C service, in its own slice. */
void reef_cservice_set_callback(struct reef_service *service, void *ud, skynet_cb callback);
/* The service has answered that request, or passed it on. Nothing for other kinds of services: Lua's C modules send, too,
 * with the service that runs them. Own slice only. */
void reef_cservice_note_answer(struct reef_service *service, uint32_t asker, int32_t session);

#endif

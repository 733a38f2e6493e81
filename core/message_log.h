/* Per-service message logs (`LOGON`, `LOGOFF`): every message of a service, as hex, in `<logpath>/<handle>.log`. */
#ifndef REEF_MESSAGE_LOG_H
#define REEF_MESSAGE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct reef_message;
struct reef_service;

/* Begins or ends it. False: no such service, no `logpath`, or the file cannot be made. Any thread inside the engine. */
bool reef_message_log_set(uint32_t handle, bool on);
/* Worker of the service only. */
void reef_message_log_write(FILE *file, const struct reef_message *m);
/* Any thread inside the engine. */
void reef_message_log_close(struct reef_service *service);

#endif

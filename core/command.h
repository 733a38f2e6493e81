/* The text commands of services (`skynet_command`, `skynet.core.command`). */
#ifndef REEF_COMMAND_H
#define REEF_COMMAND_H

struct reef_service;

/* Runs a command in the name of a service, in its own slice: TIMEOUT cs; REG [.name]; QUERY .name; NAME .name :hex;
 * EXIT; KILL address; ABORT [exit code]; LAUNCH module args; GETENV key; SETENV key value; STARTTIME; MONITOR [address];
 * STAT what; LOGON address; LOGOFF address; SIGNAL address [n]. `param` may be NULL. Names without a dot are global.
 * The result is valid until the thread's next command; NULL: no result, or it failed. */
const char *reef_command(struct reef_service *self, const char *name, const char *param);

#endif

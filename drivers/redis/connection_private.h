/* Between connection.c and deliver.c. */
#ifndef REEF_REDIS_CONNECTION_PRIVATE_H
#define REEF_REDIS_CONNECTION_PRIVATE_H

#include "connection.h"

/* Members of the connection's sink. */
void reef_redis_connection_data(void *ud, int id, const char *bytes, size_t n);
char *reef_redis_connection_room(void *ud, int id, size_t *n);

#endif

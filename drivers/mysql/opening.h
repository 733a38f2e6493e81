/* Connections that are being made, each on a thread of its own: a library that looks up names and shakes hands for TLS
 * (libmariadb polls there) would hold a worker meanwhile. */
#ifndef REEF_MYSQL_OPENING_H
#define REEF_MYSQL_OPENING_H

#include <mysql.h>
#include <stdbool.h>

struct reef_mysql_login {
	const char *host, *user, *password, *database, *path;
	unsigned int port;
	unsigned long flags;
};

struct reef_mysql_opening;

/* Begins to connect `mysql`, which is the thread's until it is over. Copies `login`. NULL: there is no thread to be had, or no
 * memory; errno says which. Own slice. */
struct reef_mysql_opening *reef_mysql_opening_begin(MYSQL *mysql, const struct reef_mysql_login *login);
/* Can be read when it is over. */
int reef_mysql_opening_fd(const struct reef_mysql_opening *opening);
bool reef_mysql_opening_is_over(struct reef_mysql_opening *opening);
/* Ends and frees it. True: it was over, `connected` says how it went, and `mysql` is the caller's again. False: it goes on,
 * and the thread will close `mysql`. */
bool reef_mysql_opening_end(struct reef_mysql_opening *opening, bool *connected);

#endif

/* A look at what a server greets with, before libmariadb reads it: it takes much of a greeting's shape for granted and may crash on
 * another. A greeting comes before TLS and login, so anybody on the way may have written it. */
#ifndef REEF_MYSQL_GREETING_H
#define REEF_MYSQL_GREETING_H

#include <stddef.h>

/* The shape of a first packet, header included, by https://mariadb.com/kb/en/connection/ (initial handshake, protocol version 10, or
 * an error). NULL: it is one that libmariadb can read; else what is wrong with it. Any thread. */
const char *reef_mysql_greeting_fault(const unsigned char *bytes, size_t size);

/* libmariadb's connections of threads that say so are looked at from now on, by whoever makes them. Once for the process, after
 * mysql_server_init. */
void reef_mysql_greeting_setup(void);
/* The calling thread makes a connection and may block for it. */
void reef_mysql_greeting_look(void);

#endif

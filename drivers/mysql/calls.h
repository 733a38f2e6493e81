/* The calls of libmariadb that wait for the server, but for connecting (opening.h), in one form: each is begun, and goes on when
 * what it waits for is there. One at a time for each connection. */
#ifndef REEF_MYSQL_CALLS_H
#define REEF_MYSQL_CALLS_H

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>

enum reef_mysql_call {
	REEF_MYSQL_NO_CALL,
	REEF_MYSQL_QUERY,
	REEF_MYSQL_ROW,
	REEF_MYSQL_NEXT,
	REEF_MYSQL_PING,
	REEF_MYSQL_PREPARE,
	REEF_MYSQL_EXECUTE,
	REEF_MYSQL_STMT_ROW,
	REEF_MYSQL_STMT_NEXT,
	REEF_MYSQL_STMT_RESET,
	REEF_MYSQL_STMT_CLOSE,
	REEF_MYSQL_QUIT,
};

/* What calls are made with, and what they answer. The caller's memory; it stays where it is while a call waits. */
struct reef_mysql_calls {
	MYSQL *mysql;
	bool tls;
	MYSQL_RES *result; /* of REEF_MYSQL_ROW, which it belongs to */
	MYSQL_STMT *stmt;  /* of those with statements */
	const char *text;  /* of REEF_MYSQL_QUERY, REEF_MYSQL_PREPARE */
	size_t size;
	enum reef_mysql_call waiting; /* the call that has not come back yet */
	int status;                   /* what one answered that answers a number */
	MYSQL_ROW row;                /* what REEF_MYSQL_ROW answered */
};

/* 0: the call is over. Else MYSQL_WAIT_ bits, and it goes on with reef_mysql_calls_go. */
int reef_mysql_calls_start(struct reef_mysql_calls *c, enum reef_mysql_call call);
/* `ready`: the MYSQL_WAIT_ bits of what is there; MYSQL_WAIT_TIMEOUT: it was waited for in vain. */
int reef_mysql_calls_go(struct reef_mysql_calls *c, int ready);

#endif

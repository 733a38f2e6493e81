/* See calls.h. */
#include "calls.h"

#include <openssl/err.h>

/* What others have left in this thread's queue would be taken for errors of this connection. */
static void calls_clear_errors(const struct reef_mysql_calls *c) {
	if (c->tls && ERR_peek_error() != 0)
		ERR_clear_error();
}

static int calls_over(struct reef_mysql_calls *c, int wants) {
	if (wants == 0)
		c->waiting = REEF_MYSQL_NO_CALL;
	return wants;
}

int reef_mysql_calls_start(struct reef_mysql_calls *c, enum reef_mysql_call call) {
	my_bool failed = 0;
	int wants = 0;
	calls_clear_errors(c);
	c->waiting = call;
	switch (call) {
	case REEF_MYSQL_NO_CALL:
		break;
	case REEF_MYSQL_QUERY:
		wants = mysql_real_query_start(&c->status, c->mysql, c->text, (unsigned long)c->size);
		break;
	case REEF_MYSQL_ROW:
		wants = mysql_fetch_row_start(&c->row, c->result);
		break;
	case REEF_MYSQL_NEXT:
		wants = mysql_next_result_start(&c->status, c->mysql);
		break;
	case REEF_MYSQL_PING:
		wants = mysql_ping_start(&c->status, c->mysql);
		break;
	case REEF_MYSQL_PREPARE:
		wants = mysql_stmt_prepare_start(&c->status, c->stmt, c->text, (unsigned long)c->size);
		break;
	case REEF_MYSQL_EXECUTE:
		wants = mysql_stmt_execute_start(&c->status, c->stmt);
		break;
	case REEF_MYSQL_STMT_ROW:
		wants = mysql_stmt_fetch_start(&c->status, c->stmt);
		break;
	case REEF_MYSQL_STMT_NEXT:
		wants = mysql_stmt_next_result_start(&c->status, c->stmt);
		break;
	case REEF_MYSQL_STMT_RESET:
		wants = mysql_stmt_reset_start(&failed, c->stmt);
		c->status = failed;
		break;
	case REEF_MYSQL_STMT_CLOSE:
		wants = mysql_stmt_close_start(&failed, c->stmt);
		c->status = failed;
		break;
	case REEF_MYSQL_QUIT:
		wants = mysql_close_start(c->mysql);
		break;
	}
	return calls_over(c, wants);
}

int reef_mysql_calls_go(struct reef_mysql_calls *c, int ready) {
	my_bool failed = 0;
	int wants = 0;
	calls_clear_errors(c);
	switch (c->waiting) {
	case REEF_MYSQL_NO_CALL:
		break;
	case REEF_MYSQL_QUERY:
		wants = mysql_real_query_cont(&c->status, c->mysql, ready);
		break;
	case REEF_MYSQL_ROW:
		wants = mysql_fetch_row_cont(&c->row, c->result, ready);
		break;
	case REEF_MYSQL_NEXT:
		wants = mysql_next_result_cont(&c->status, c->mysql, ready);
		break;
	case REEF_MYSQL_PING:
		wants = mysql_ping_cont(&c->status, c->mysql, ready);
		break;
	case REEF_MYSQL_PREPARE:
		wants = mysql_stmt_prepare_cont(&c->status, c->stmt, ready);
		break;
	case REEF_MYSQL_EXECUTE:
		wants = mysql_stmt_execute_cont(&c->status, c->stmt, ready);
		break;
	case REEF_MYSQL_STMT_ROW:
		wants = mysql_stmt_fetch_cont(&c->status, c->stmt, ready);
		break;
	case REEF_MYSQL_STMT_NEXT:
		wants = mysql_stmt_next_result_cont(&c->status, c->stmt, ready);
		break;
	case REEF_MYSQL_STMT_RESET:
		wants = mysql_stmt_reset_cont(&failed, c->stmt, ready);
		c->status = failed;
		break;
	case REEF_MYSQL_STMT_CLOSE:
		wants = mysql_stmt_close_cont(&failed, c->stmt, ready);
		c->status = failed;
		break;
	case REEF_MYSQL_QUIT:
		wants = mysql_close_cont(c->mysql, ready);
		break;
	}
	return calls_over(c, wants);
}

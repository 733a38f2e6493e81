/* See opening.h. Who comes second, the thread with its end or who has begun it with his, frees it. */
#include "opening.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/thread.h"
#include "greeting.h"

enum { TEXTS = 5 };
enum { OPENING_GOES_ON, OPENING_IS_OVER, OPENING_IS_UNWANTED };

struct reef_mysql_opening {
	MYSQL *mysql;
	char *texts[TEXTS]; /* of the login, in its order; NULL: none */
	unsigned int port;
	unsigned long flags;
	int fd;
	bool connected;
	atomic_int state;
};

static void opening_free(struct reef_mysql_opening *o) {
	for (int i = 0; i < TEXTS; i++)
		if (o->texts[i])
			reef_free(o->texts[i]);
	close(o->fd);
	reef_free(o);
}

static void *opening_run(void *argument) {
	struct reef_mysql_opening *o = argument;
	char **t = o->texts;
	reef_mysql_greeting_look();
	o->connected = mysql_real_connect(o->mysql, t[0], t[1], t[2], t[3], o->port, t[4], o->flags) != NULL;
	/* Before the other side may free it: who comes too early looks again. */
	eventfd_write(o->fd, 1);
	if (atomic_exchange(&o->state, OPENING_IS_OVER) == OPENING_IS_UNWANTED) {
		mysql_close(o->mysql);
		opening_free(o);
	}
	return NULL;
}

static bool opening_copy(struct reef_mysql_opening *o, const struct reef_mysql_login *login) {
	const char *texts[TEXTS] = {login->host, login->user, login->password, login->database, login->path};
	for (int i = 0; i < TEXTS; i++)
		if (texts[i] && (o->texts[i] = reef_try_strdup(texts[i])) == NULL)
			return false;
	return true;
}

struct reef_mysql_opening *reef_mysql_opening_begin(MYSQL *mysql, const struct reef_mysql_login *login) {
	struct reef_mysql_opening *o = reef_calloc(1, sizeof *o);
	o->mysql = mysql;
	o->port = login->port;
	o->flags = login->flags;
	o->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int error = o->fd < 0 ? errno : opening_copy(o, login) ? reef_thread_detached(opening_run, o) : ENOMEM;
	if (error == 0)
		return o;
	opening_free(o);
	errno = error;
	return NULL;
}

int reef_mysql_opening_fd(const struct reef_mysql_opening *o) {
	return o->fd;
}

bool reef_mysql_opening_is_over(struct reef_mysql_opening *o) {
	return atomic_load(&o->state) == OPENING_IS_OVER;
}

bool reef_mysql_opening_end(struct reef_mysql_opening *o, bool *connected) {
	if (atomic_exchange(&o->state, OPENING_IS_UNWANTED) == OPENING_GOES_ON)
		return false;
	*connected = o->connected;
	opening_free(o);
	return true;
}

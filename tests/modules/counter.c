/* A C service as others write them: counts messages, answers requests, keeps the payload of some. Launched by
 * tests/compat/cservice.lua. Text commands: `get` answers the count, `keep` stores its payload, `kept` answers it,
 * `fail` with a session answers nothing and ends the service. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/skynet.h"

struct counter {
	_Atomic int count;
	void *kept;
	size_t kept_size;
};

struct counter *counter_create(void);
int counter_init(struct counter *counter, struct skynet_context *context, const char *param);
void counter_release(struct counter *counter);
void counter_signal(struct counter *counter, int n);

struct counter *counter_create(void) {
	return calloc(1, sizeof(struct counter));
}

static int is(const void *msg, size_t sz, const char *word) {
	return sz >= strlen(word) && memcmp(msg, word, strlen(word)) == 0;
}

static int on_message(struct skynet_context *context, void *ud, int type, int session, uint32_t source, const void *msg,
					  size_t sz) {
	struct counter *counter = ud;
	counter->count++;
	if (type != 0)
		return 0;
	char text[32];
	if (is(msg, sz, "get")) {
		int n = snprintf(text, sizeof text, "%d", counter->count);
		skynet_send(context, 0, source, 1, session, text, (size_t)n);
	} else if (is(msg, sz, "kept")) {
		skynet_send(context, 0, source, 1, session, counter->kept, counter->kept_size);
	} else if (is(msg, sz, "keep")) {
		skynet_free(counter->kept);
		counter->kept = (void *)msg;
		counter->kept_size = sz;
		return 1;
	} else if (is(msg, sz, "fail")) {
		skynet_command(context, "EXIT", NULL);
	}
	return 0;
}

int counter_init(struct counter *counter, struct skynet_context *context, const char *param) {
	if (strcmp(param, "refuse") == 0)
		return 1;
	counter->count = atoi(param);
	skynet_callback(context, counter, on_message);
	skynet_error(context, "counting from %d", counter->count);
	return 0;
}

void counter_release(struct counter *counter) {
	skynet_free(counter->kept);
	free(counter);
}

/* Takes a while, so that the instance may be released meanwhile if anybody lets that happen. */
void counter_signal(struct counter *counter, int n) {
	struct timespec pause = {.tv_nsec = 50000};
	nanosleep(&pause, NULL);
	counter->count += n;
}

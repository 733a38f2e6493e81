/* For integration/c_await.lua, which also builds it outside the tree: a C service and a Lua module around functions that
 * block.
 *
 * The service `slow` answers the text "MS TEXT" with TEXT, MS milliseconds later; "cancel" takes back the oldest work, whose
 * request is answered with "cancelled". The module: run(ms, value, seconds), counts(). */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>

#include "core/await.h"
#include "core/clock.h"
#include "core/host/task_await.h"

enum { MOST = 1024, TEXT = 64 };

static atomic_long jobs_made, jobs_freed, jobs_run, inside, most_inside;

struct slow_job {
	struct slow *slow; /* good in `done` alone */
	long ms;
	char *text; /* NULL: the result of no run */
	char given[TEXT];
	int session;
	uint32_t source;
};

/* What the service keeps of a job, which belongs to the work from its beginning on. */
struct slow_request {
	const struct slow_job *job; /* a name, not to be looked at */
	uint64_t number;
	int session;
	uint32_t source;
};

struct slow {
	struct slow_request requests[MOST];
	int count;
};

static struct slow_job *slow_job_new(long ms, const char *text) {
	struct slow_job *job = calloc(1, sizeof *job);
	job->ms = ms;
	snprintf(job->given, sizeof job->given, "%s", text);
	jobs_made++;
	return job;
}

static void slow_run(void *ud) {
	struct slow_job *job = ud;
	long now = ++inside, most = most_inside;
	while (now > most && !atomic_compare_exchange_weak(&most_inside, &most, now))
		;
	struct timespec left = {.tv_sec = job->ms / 1000, .tv_nsec = job->ms % 1000 * 1000000};
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
	job->text = strdup(job->given);
	jobs_run++;
	inside--;
}

static void slow_drop(void *ud) {
	struct slow_job *job = ud;
	free(job->text);
	free(job);
	jobs_freed++;
}

/* ---- the service ---- */

static void slow_forget(struct slow *slow, const struct slow_job *job) {
	for (int i = 0; i < slow->count; i++)
		if (slow->requests[i].job == job) {
			slow->count--;
			memmove(&slow->requests[i], &slow->requests[i + 1], (size_t)(slow->count - i) * sizeof slow->requests[0]);
			return;
		}
}

static void slow_done(struct skynet_context *context, void *ud) {
	struct slow_job *job = ud;
	slow_forget(job->slow, job);
	skynet_send(context, 0, job->source, PTYPE_RESPONSE, job->session, job->text, strlen(job->text));
	slow_drop(job);
}

static const struct reef_await_work slow_work = {.run = slow_run, .done = slow_done, .drop = slow_drop};

static int slow_message(struct skynet_context *context, void *ud, int type, int session, uint32_t source,
						const void *msg, size_t sz) {
	struct slow *slow = ud;
	char line[TEXT + 16] = "";
	if (type != PTYPE_TEXT || sz >= sizeof line)
		return 0;
	if (sz > 0)
		memcpy(line, msg, sz);
	if (strcmp(line, "cancel") == 0) {
		const char *answer = "nothing";
		if (slow->count > 0) {
			static char cancelled[] = "cancelled";
			struct slow_request oldest = slow->requests[0];
			slow_forget(slow, oldest.job);
			skynet_send(context, 0, oldest.source, PTYPE_RESPONSE, oldest.session, cancelled, sizeof cancelled - 1);
			answer = reef_await_cancel(oldest.number) ? "yes" : "no";
		}
		skynet_send(context, 0, source, PTYPE_RESPONSE, session, (void *)(uintptr_t)answer, strlen(answer));
		return 0;
	}
	char *text;
	long ms = strtol(line, &text, 10);
	struct slow_job *job = slow_job_new(ms, *text == ' ' ? text + 1 : text);
	job->slow = slow;
	job->session = session;
	job->source = source;
	uint64_t number = slow->count < MOST ? reef_await(context, &slow_work, job) : 0;
	if (number)
		slow->requests[slow->count++] =
				(struct slow_request){.job = job, .number = number, .session = session, .source = source};
	else
		slow_drop(job);
	return 0;
}

void *slow_create(void);
int slow_init(void *instance, struct skynet_context *context, const char *param);
void slow_release(void *instance);

void *slow_create(void) {
	return calloc(1, sizeof(struct slow));
}

int slow_init(void *instance, struct skynet_context *context, const char *param) {
	(void)param;
	skynet_callback(context, instance, slow_message);
	return 0;
}

void slow_release(void *instance) {
	free(instance);
}

/* ---- the Lua module ---- */

static int slow_results(lua_State *L, void *ud) {
	const struct slow_job *job = ud;
	if (strcmp(job->text, "error") == 0)
		return luaL_error(L, "as it was told");
	lua_pushstring(L, job->text);
	lua_pushinteger(L, job->ms);
	return 2;
}

static const struct reef_task_work task_work = {
		.what = "slow", .run = slow_run, .results = slow_results, .drop = slow_drop};

/* run(ms, text [, seconds]) -> text, ms */
static int l_run(lua_State *L) {
	long ms = (long)luaL_checkinteger(L, 1);
	const char *text = luaL_checkstring(L, 2);
	lua_Number seconds = luaL_optnumber(L, 3, 0);
	uint64_t deadline = seconds > 0 ? reef_now_ns() + (uint64_t)(seconds * 1e9) : 0;
	return reef_task_await(L, &task_work, slow_job_new(ms, text), deadline);
}

/* counts() -> made, freed, run, most at the same time */
static int l_counts(lua_State *L) {
	lua_pushinteger(L, jobs_made);
	lua_pushinteger(L, jobs_freed);
	lua_pushinteger(L, jobs_run);
	lua_pushinteger(L, most_inside);
	return 4;
}

int luaopen_slow(lua_State *L);

int luaopen_slow(lua_State *L) {
	static const luaL_Reg functions[] = {{"run", l_run}, {"counts", l_counts}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}

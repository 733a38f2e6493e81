/* Bare hiredis doing the work of bench/redis.lua: the yardstick. `yard_redis PORT [CA_FILE]`, with the latter over TLS;
 * the data must be there. */
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static redisContext *context;
static const char *prefix = "hiredis_";
static char keys[100][8];
static char value[65];

static double seconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void append(const char *work, long i) {
	const char *key = keys[i % 100];
	if (strncmp(work, "mget", 4) == 0) {
		const char *args[101] = {"MGET"};
		for (int k = 0; k < 100; k++)
			args[k + 1] = keys[k];
		redisAppendCommandArgv(context, 101, args, NULL);
	} else if (strncmp(work, "set", 3) == 0) {
		redisAppendCommandArgv(context, 3, (const char *[]){"SET", key, value}, NULL);
	} else if (strncmp(work, "lrange", 6) == 0) {
		redisAppendCommandArgv(context, 4, (const char *[]){"LRANGE", "list", "0", "-1"}, NULL);
	} else if (strcmp(work, "get_1mb") == 0) {
		redisAppendCommandArgv(context, 2, (const char *[]){"GET", "large"}, NULL);
	} else {
		redisAppendCommandArgv(context, 2, (const char *[]){"GET", key}, NULL);
	}
}

/* n commands, with up to `window` on their way; `batch` of them count as one operation. */
static void run(const char *work, long window, long n, long batch) {
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (long sent = 0, done = 0; done < n; done++) {
		for (; sent < n && (sent - done < window && (batch == 1 || sent / batch == done / batch)); sent++)
			append(work, sent);
		redisReply *reply;
		if (redisGetReply(context, (void **)&reply) != REDIS_OK || reply->type == REDIS_REPLY_ERROR) {
			fprintf(stderr, "%s: %s\n", work, context->err ? context->errstr : reply->str);
			exit(1);
		}
		freeReplyObject(reply);
	}
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	double each = 1e6 * (double)batch / (double)n;
	printf("RESULT %s%s cpu=%.9g wall=%.9g\n", prefix, work, cpu * each, wall * each);
}

static void use_tls(const char *ca_file) {
	redisSSLContextError error;
	redisInitOpenSSL();
	redisSSLContext *tls = redisCreateSSLContext(ca_file, NULL, NULL, NULL, "localhost", &error);
	if (!tls || redisInitiateSSLWithContext(context, tls) != REDIS_OK) {
		fprintf(stderr, "TLS: %s\n", tls ? context->errstr : redisSSLContextGetError(error));
		exit(1);
	}
	prefix = "hiredis_tls_";
}

int main(int argc, char **argv) {
	context = redisConnect("127.0.0.1", argc > 1 ? atoi(argv[1]) : 6379);
	if (!context || context->err) {
		fprintf(stderr, "no redis-server: %s\n", context ? context->errstr : "no memory");
		return 1;
	}
	if (argc > 2)
		use_tls(argv[2]);
	printf("VERSION hiredis %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
	memset(value, 'x', 64);
	for (int i = 0; i < 100; i++)
		snprintf(keys[i], sizeof keys[i], "k:%d", i + 1);
	run("get_1", 1, 40000, 1);
	run("get_128", 128, 400000, 1);
	run("get_8192", 8192, 400000, 1);
	run("set_128", 128, 400000, 1);
	run("lrange_1000", 1, 3000, 1);
	run("mget_100", 128, 25600, 1);
	run("pipeline_100", 100, 300000, 100);
	run("get_1mb", 1, 500, 1);
	redisFree(context);
	return 0;
}

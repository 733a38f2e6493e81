/* The two readings of RESP agree on any bytes: the cutter of pools finds as many replies as the reader that is hiredis
 * makes, with the same ends, and both call the same bytes bad.
 *
 * When one of them has to see more before it says no, the end of a line is what it waits for; so both get that. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "drivers/pool/frame.h"
#include "drivers/redis/reply.h"

#define LIMIT (1 << 20)
#define MOST 64

struct verdict {
	size_t replies;
	bool bad;
	size_t ends[MOST]; /* known of the cutter, and of the reader when it is fed byte by byte */
	const char *why;
};

/* Replies on top of pushes and attributes, which the cutter takes with what follows them. */
static struct verdict cut(const char *bytes, size_t n) {
	struct verdict v = {0};
	size_t at = 0;
	while (v.replies < MOST) {
		struct reef_frames frames = {.limit = LIMIT};
		reef_pool_resp.begin(&frames, 1);
		enum reef_frame found = reef_pool_resp.scan(&frames, bytes + at, n - at);
		v.why = frames.why;
		v.bad = found == REEF_FRAME_BAD;
		if (found != REEF_FRAME_COMPLETE)
			break;
		at += frames.at;
		v.ends[v.replies++] = at;
	}
	return v;
}

static char said[200];

static struct verdict read_all(lua_State *L, const char *bytes, size_t n, size_t step) {
	static const struct reef_redis_limits limits = {.reply = LIMIT, .elements = LIMIT / 3, .depth = 200};
	struct reef_redis_reader reader;
	struct verdict v = {0};
	lua_State *build = lua_newthread(L);
	reef_redis_reader_init(&reader, &limits);
	for (size_t at = 0; at < n && !reader.error[0] && v.replies < MOST;) {
		at += reef_redis_reader_feed(&reader, bytes + at, step < n - at ? step : n - at);
		int done;
		do {
			done = reef_redis_reader_parse(&reader, build);
			for (int i = 0; i < done && v.replies < MOST; i++) {
				if (reader.kind[i] != REEF_REDIS_PUSH)
					v.ends[v.replies++] = at;
			}
			reef_redis_reader_drop(build, done);
		} while (done == REEF_REDIS_BATCH);
	}
	v.bad = reader.error[0] != '\0' && v.replies < MOST;
	snprintf(said, sizeof(said), "%s", reader.error);
	v.why = said;
	reef_redis_reader_fini(&reader);
	lua_settop(L, 0);
	return v;
}

/* What belongs to values, and not to what a reply is. */
static bool is_matter_of_taste(const char *why) {
	return strstr(why, "null or NaN") || strstr(why, "nested");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static lua_State *L;
	static unsigned runs;
	if (L == NULL || ++runs % 10000 == 0) {
		if (L)
			lua_close(L);
		L = luaL_newstate();
	}
	if (size > 4096)
		return 0;
	char *bytes = malloc(size + 2);
	memcpy(bytes, data, size);
	memcpy(bytes + size, "\r\n", 2);
	struct verdict cutter = cut(bytes, size), reader = read_all(L, bytes, size, 1);
	struct verdict whole = read_all(L, bytes, size, size);
	if (!reader.bad || !is_matter_of_taste(reader.why)) {
		if (cutter.bad != reader.bad) {
			struct verdict c = cut(bytes, size + 2), r = read_all(L, bytes, size + 2, 1);
			if (!c.bad || !r.bad) {
				fprintf(stderr, "cutter: %zu %s, reader: %zu %s\n", cutter.replies, cutter.bad ? cutter.why : "good",
						reader.replies, reader.bad ? reader.why : "good");
				abort();
			}
		}
		assert(cutter.replies == reader.replies && whole.replies == reader.replies);
		assert(memcmp(cutter.ends, reader.ends, sizeof(cutter.ends)) == 0);
	}
	free(bytes);
	return 0;
}

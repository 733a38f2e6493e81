/* Replies as Lua values: hiredis' reader with reply-object functions that push onto a Lua stack.
 *
 * Bytes go in in any portions; complete replies come out as values of a coroutine that belongs to the connection and
 * runs nothing (the *build stack*), several at a time, so that the caller can hand them out one after the other. What a
 * peer can make grow is limited: the size of one reply, the number of elements, the depth, the length of a line. After
 * an error the reader is dead and says why. Own slice only; no Lua code runs in here, except finalizers.
 *
 * Types as https://redis.io/docs/reference/protocol-spec has them:
 *   simple, bulk, verbatim strings, big numbers -> string (verbatim without its "txt:")    null -> nil
 *   integer -> integer   double -> float   boolean -> boolean   array, set, push -> sequence with holes for nulls
 *   map -> table by key   attribute -> dropped, wherever it is   errors -> string, marked
 *
 * hiredis is the judge of what a reply is, with three additions: attributes and blob errors, which it does not know;
 * integers with a plus; and the end of a string, which it skips unseen, has to be CRLF.
 *
 * A list with errors inside has a metatable whose `failed` is the list of their places, with the metamethods of the table
 * REEF_REDIS_PARTIAL of the registry, if there is one.
 */
#ifndef REEF_REDIS_REPLY_H
#define REEF_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct redisReader;

#define REEF_REDIS_PARTIAL "reef.redis.partial"

struct reef_redis_limits {
	size_t reply;    /* bytes of one reply */
	size_t elements; /* of one array, set or map */
	int depth;       /* of nested arrays */
};

/* Replies that one call of reef_redis_reader_parse finishes at most. */
#define REEF_REDIS_BATCH 64

enum reef_redis_reply {
	REEF_REDIS_VALUE,
	REEF_REDIS_ERROR,       /* the value is the server's error text */
	REEF_REDIS_INNER_ERROR, /* an array with an error somewhere inside */
	REEF_REDIS_PUSH,        /* out of band, belongs to no request */
};

struct reef_redis_reader {
	struct redisReader *hiredis;
	lua_State *L; /* the build stack; valid during parse only */
	struct reef_redis_limits limits;
	size_t bytes;       /* of the reply that is not complete yet */
	size_t wanted;      /* bytes that the bulk string being received still lacks; 0: none is */
	size_t line;        /* bytes of a line that has not ended yet; 0: none is under way */
	char *direct;       /* where the rest of a long string goes that lies on top of the build stack ... */
	size_t direct_left; /* ... and how much of it is missing */
	bool substitute;    /* the next string is that one */
	bool special;       /* something is to be said of the next string */
	int base;           /* stack index where the current reply is built ... */
	int done;           /* ... after so many complete ones, when parse has ended */
	bool inner_error;
	bool error_next;                /* the next string is a RESP3 `!` */
	bool attribute_next;            /* the next map is a RESP3 `|` */
	bool blob_error;                /* the reply is a `!` */
	bool attribute;                 /* what is being read is a `|` before a reply */
	char error[160];                /* empty while all is well */
	uint8_t kind[REEF_REDIS_BATCH]; /* enum reef_redis_reply of the values that parse has left */
};

void reef_redis_reader_init(struct reef_redis_reader *reader, const struct reef_redis_limits *limits);
void reef_redis_reader_fini(struct reef_redis_reader *reader);

/* Where the next bytes may be received to without a copy: only in the middle of a long string, else NULL. */
char *reef_redis_reader_room(struct reef_redis_reader *reader, size_t *n);
/* Takes some of the n bytes, in small portions unless a long string is under way; returns how many. Bytes that lie in
 * the reader's room are all taken. After an error all are, and dropped. */
size_t reef_redis_reader_feed(struct reef_redis_reader *reader, const char *bytes, size_t n);

/* Builds what has become complete: the values are left at the bottom of `build`, below what is unfinished. Returns how
 * many, REEF_REDIS_BATCH meaning: call again. Errors (reader->error) come after the values before them. */
int reef_redis_reader_parse(struct reef_redis_reader *reader, lua_State *build);
/* Is what has begun, and is not complete, a reply to somebody? Pushes and attributes are not. */
bool reef_redis_reader_is_answering(const struct reef_redis_reader *reader);
/* Drops the n finished values at the bottom. */
void reef_redis_reader_drop(lua_State *build, int n);

#endif

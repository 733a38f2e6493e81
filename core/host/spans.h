/* Spans: what was done in a trace, from when to when, until somebody fetches them. Bounded: what finds no room is counted and
 * dropped. Any thread. While tracing is off nobody comes here. */
#ifndef REEF_SPANS_H
#define REEF_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

enum reef_span_kind { REEF_SPAN_REQUEST, REEF_SPAN_CALL, REEF_SPAN_WAIT };

struct reef_span {
	uint64_t trace[2], id, parent;        /* parent 0: it is the first of its trace */
	uint64_t start_ns, end_ns, queued_ns; /* reef_now_ns scale; how long a request waited for its service */
	uint32_t service, peer;               /* addresses; the peer is who has asked, or who is asked, 0: nobody */
	uint8_t kind;
	bool failed, remote; /* remote: its parent is in another process */
	char name[48], service_name[48], error[96];
};

/* Are spans noted, and is this, the beginning of a trace, to be one? By chance, as the rate says. */
bool reef_spans_pick(void);
bool reef_spans_on(void);
/* A random number that is not 0. */
uint64_t reef_spans_new_id(void);
/* Takes a copy; the names of services are filled in. Inside the engine. */
void reef_spans_put(struct reef_span *span);

/* For Lua, the module `reef.spans`:
 * rate(share): from now on; 0: nothing is noted. rate() -> share.
 * drain(most) -> a list of spans, the oldest first, and how many were dropped so far */
int reef_open_spans(lua_State *L);

#endif

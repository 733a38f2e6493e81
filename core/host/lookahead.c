/* What a Lua service's next slice will want: see core/warm.h.
 *
 * That is the host, the table of sessions, and the coroutine that waits (or the one that will handle the next request)
 * with what its functions refer to, a few steps far. Own slice only; nothing is changed. */
#include "lookahead.h"

#include "core/service.h"
#include "core/warm.h"
#include "host_private.h"
#include "protocol.h"

#include "lfunc.h"
#include "lobject.h"
#include "lstate.h"
#include "ltable.h"

#if LUA_VERSION_RELEASE_NUM >= 50405
#define P(member) ((member).p)
#else
#define P(member) (member)
#endif

enum {
	STEPS = 4,         /* from a function's stack to the object behind the object behind the object */
	FRAMES = 3,        /* of the coroutine, innermost first */
	STACK_VALUES = 12, /* on top of the stack */
	FEW = 8,           /* fields or values of what is looked into */
	SOME = 16,         /* fields of what is noted at all */
	REPLY_SIZE = 128,  /* of what a C module keeps about a request, about */
};

static void note_value(struct reef_warm *warm, const TValue *v, int steps);

static void note_table(struct reef_warm *warm, const Table *t, int steps) {
	unsigned fields = (unsigned)sizenode(t), items = t->alimit < FEW ? t->alimit : FEW;
	reef_warm_note(warm, t, sizeof(*t));
	if (items > 0)
		reef_warm_note(warm, t->array, items * sizeof(TValue));
	if (fields <= SOME)
		reef_warm_note(warm, t->node, fields * sizeof(Node));
	if (fields > FEW)
		return;
	for (unsigned i = 0; i < items; i++)
		note_value(warm, &t->array[i], steps);
	for (unsigned i = 0; i < fields; i++)
		note_value(warm, gval(gnode(t, i)), steps);
}

static void note_closure(struct reef_warm *warm, const LClosure *f, int steps) {
	reef_warm_note(warm, f, (size_t)sizeLclosure(f->nupvalues));
	for (int i = 0; i < f->nupvalues && i < FEW; i++) {
		const UpVal *up = f->upvals[i];
		if (up == NULL)
			continue;
		reef_warm_note(warm, up, sizeof(*up));
		if (steps > 1)
			note_value(warm, P(up->v), steps);
	}
}

static void note_value(struct reef_warm *warm, const TValue *v, int steps) {
	if (!iscollectable(v) || steps == 0 || warm->count == REEF_WARM_LINES)
		return;
	const GCObject *o = gcvalue(v);
	switch (ttypetag(v)) {
	case LUA_VTABLE:
		note_table(warm, hvalue(v), steps - 1);
		break;
	case LUA_VLCL:
		note_closure(warm, clLvalue(v), steps - 1);
		break;
	case LUA_VCCL:
		reef_warm_note(warm, o, (size_t)sizeCclosure(clCvalue(v)->nupvalues));
		for (int i = 0; i < clCvalue(v)->nupvalues && i < FEW; i++)
			note_value(warm, &clCvalue(v)->upvalue[i], steps - 1);
		break;
	case LUA_VUSERDATA:
		reef_warm_note(warm, o, sizeudata(uvalue(v)->nuvalue, uvalue(v)->len < 128 ? uvalue(v)->len : 128));
		for (int i = 0; i < uvalue(v)->nuvalue && i < FEW; i++)
			note_value(warm, &uvalue(v)->uv[i].uv, steps - 1);
		break;
	default: /* of a string the header, with its hash and first bytes */
		reef_warm_note(warm, o, 1);
	}
}

static void note_thread(struct reef_warm *warm, lua_State *L) {
	reef_warm_note(warm, lua_getextraspace(L), LUA_EXTRASPACE + sizeof(*L));
	StkId top = P(L->top), from = P(L->stack);
	if (top - from > STACK_VALUES)
		from = top - STACK_VALUES;
	reef_warm_note(warm, from, (size_t)(top - from + 2) * sizeof(StackValue));
	CallInfo *ci = L->ci;
	for (int n = 0; n < FRAMES && ci; n++, ci = ci->previous) {
		reef_warm_note(warm, ci, sizeof(*ci));
		/* The innermost function is in C and has its arguments on the stack. */
		if (n == 0)
			for (StkId at = P(ci->func) + 1; at < top && at < P(ci->func) + FEW; at++)
				note_value(warm, s2v(at), STEPS - 1);
		note_value(warm, s2v(P(ci->func)), STEPS);
	}
}

static void note_task(struct reef_warm *warm, const struct reef_task *task) {
	reef_warm_note(warm, task, sizeof(*task));
	note_thread(warm, task->L);
}

static void note_sessions(struct reef_warm *warm, const struct reef_sessions *sessions) {
	uint32_t n = sessions->used < FEW ? sessions->used : FEW;
	if (n == 0)
		return;
	reef_warm_note(warm, sessions->buckets, n * sizeof(*sessions->buckets));
	reef_warm_note(warm, sessions->entries, n * sizeof(*sessions->entries));
	for (uint32_t i = 0; i < n; i++)
		if (sessions->entries[i].kind == SESSION_REPLY)
			reef_warm_note(warm, sessions->entries[i].ptr, REPLY_SIZE);
}

void reef_lookahead_note(struct reef_service *service, struct reef_warm *warm) {
	struct reef_host *host = reef_service_instance(service);
	__atomic_store_n(&warm->count, 0, __ATOMIC_RELAXED);
	if (host->L == NULL || host->exiting)
		return;
	reef_warm_note(warm, host, offsetof(struct reef_host, none));
	reef_warm_note(warm, G(host->L), offsetof(global_State, finobj));
	if (host->last_waiter && host->last_waiter->state == TASK_WAITING) {
		note_sessions(warm, &host->sessions);
		note_task(warm, host->last_waiter);
	} else if (host->pool) {
		reef_warm_note(warm, host->protocols, sizeof(*host->protocols));
		note_task(warm, host->pool);
	}
}

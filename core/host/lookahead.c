/* What a Lua service's next slice will want: see core/warm.h.
 *
 * That is the host, the table of sessions, and the coroutine that waits (or the one that will handle the next request)
 * with what its functions refer to, a few steps far. Own slice only; nothing is changed. */
#include "sharetable/overlay/ov.h" /* before lua.h, which shows less to those who are not of Lua's core */

#include "lookahead.h"

#include "core/service.h"
#include "core/warm.h"
#include "host_private.h"
#include "protocol.h"

#include "lfunc.h"
#include "lobject.h"
#include "lstate.h"
#include "ltable.h"

enum {
	STEPS = 5,         /* from a function's stack to the object behind the object behind the object */
	FRAMES = 4,        /* of the coroutine, innermost first */
	DEEP = 2,          /* of which what their functions refer to is looked at */
	STACK_VALUES = 12, /* on top of the stack */
	FEW = 8,           /* fields or values of what is noted as a whole */
	NAMES = 32,        /* constants of a function that are looked for in what has more fields */
	LARGE = 256,       /* bytes of what is not noted as a whole */
	REPLY_SIZE = 128,  /* of what a C module keeps about a request, about */
	WAITING = 64,      /* objects to be looked at */
	BUCKETS = 32,      /* of strings, as small services have them */
};

/* What is to be looked at, nearest first: when there is no room for more lines, what is missing is far away. */
struct look {
	struct reef_warm *warm;
	unsigned begin, end;
	struct {
		const GCObject *object;
		const Proto *from; /* the code that refers to it, NULL: none that is known */
		int steps;
	} waiting[WAITING];
};

/* What all VMs share is in the cache anyway. */
static void look_later(struct look *look, const TValue *v, int steps, const Proto *from) {
	if (!iscollectable(v) || steps == 0 || look->end == WAITING)
		return;
	const GCObject *o = gcvalue(v);
	if (reef_is_shared(o) && !(o->tt == LUA_VTABLE && reef_is_lent(gco2t((GCObject *)o))))
		return;
	look->waiting[look->end].object = o;
	look->waiting[look->end].from = from;
	look->waiting[look->end++].steps = steps;
}

/* The nodes that are passed on the way to the one with that key. */
static void note_field(struct look *look, const Table *t, const TString *key, int steps, const Proto *from) {
	Node *n = gnode(t, (int)(key->hash & ((1u << t->lsizenode) - 1)));
	for (;;) {
		reef_warm_note(look->warm, n, sizeof(*n));
		if (keyisshrstr(n) && eqshrstr(keystrval(n), key)) {
			look_later(look, gval(n), steps, from);
			return;
		}
		if (gnext(n) == 0)
			return;
		n += gnext(n);
	}
}

static void note_table(struct look *look, const Table *t, int steps, const Proto *from) {
	unsigned fields = (unsigned)sizenode(t), items = t->alimit < FEW ? t->alimit : FEW;
	reef_warm_note(look->warm, t, sizeof(*t));
	if (reef_is_lent(t))
		return;
	if (items > 0)
		reef_warm_note(look->warm, t->array, items * sizeof(TValue));
	for (unsigned i = 0; i < items; i++)
		look_later(look, &t->array[i], steps, from);
	if (fields <= FEW) {
		reef_warm_note(look->warm, t->node, fields * sizeof(Node));
		for (unsigned i = 0; i < fields; i++)
			look_later(look, gval(gnode(t, i)), steps, from);
		return;
	}
	for (int i = 0; from && i < from->sizek && i < NAMES; i++) {
		if (ttisshrstring(&from->k[i]))
			note_field(look, t, tsvalue(&from->k[i]), steps, from);
	}
}

static void note_closure(struct look *look, const LClosure *f, int steps) {
	reef_warm_note(look->warm, f, (size_t)sizeLclosure(f->nupvalues));
	for (int i = 0; i < f->nupvalues && i < FEW; i++) {
		const UpVal *up = f->upvals[i];
		if (up == NULL)
			continue;
		reef_warm_note(look->warm, up, sizeof(*up));
		look_later(look, REEF_UPVALUE(up), steps, f->p);
	}
}

static void note_userdata(struct look *look, const Udata *u, int steps, const Proto *from) {
	size_t size = sizeudata(u->nuvalue, u->len);
	reef_warm_note(look->warm, u, size < LARGE ? size : LARGE);
	/* C goes from one to another; what else is kept there is seldom looked at. */
	for (int i = 0; i < u->nuvalue && i < FEW; i++)
		if (ttisfulluserdata(&u->uv[i].uv))
			look_later(look, &u->uv[i].uv, steps, from);
}

static void note_object(struct look *look, const GCObject *o, int steps, const Proto *from) {
	switch (o->tt) {
	case LUA_VTABLE:
		note_table(look, gco2t(o), steps, from);
		break;
	case LUA_VLCL:
		note_closure(look, gco2lcl(o), steps);
		break;
	case LUA_VCCL:
		reef_warm_note(look->warm, o, (size_t)sizeCclosure(gco2ccl(o)->nupvalues));
		for (int i = 0; i < gco2ccl(o)->nupvalues && i < FEW; i++)
			look_later(look, &gco2ccl(o)->upvalue[i], steps, from);
		break;
	case LUA_VUSERDATA:
		note_userdata(look, gco2u(o), steps, from);
		break;
	default: /* of a string the header, with its hash and first bytes */
		reef_warm_note(look->warm, o, 1);
	}
}

static void note_thread(struct reef_warm *warm, lua_State *L) {
	struct look look;
	look.warm = warm;
	look.begin = look.end = 0;
	reef_warm_note(warm, lua_getextraspace(L), LUA_EXTRASPACE + sizeof(*L));
	StkId top = REEF_TOP(L), from = REEF_STACK(L);
	if (top - from > STACK_VALUES)
		from = top - STACK_VALUES;
	reef_warm_note(warm, from, (size_t)(top - from + 2) * sizeof(StackValue));
	CallInfo *ci = L->ci;
	for (int n = 0; n < FRAMES && ci; n++, ci = ci->previous) {
		const CallInfo *caller = ci->previous;
		const Proto *code = caller && isLua(caller) ? ci_func(caller)->p : NULL;
		reef_warm_note(warm, ci, sizeof(*ci));
		/* The innermost function is in C and has its arguments on the stack. */
		if (n == 0)
			for (StkId at = REEF_CI_FUNC(ci) + 1; at < top && at < REEF_CI_FUNC(ci) + FEW; at++)
				look_later(&look, s2v(at), STEPS - 1, code);
		look_later(&look, s2v(REEF_CI_FUNC(ci)), n < DEEP ? STEPS : 1, code);
	}
	while (look.begin < look.end && !reef_warm_is_full(warm)) {
		unsigned i = look.begin++;
		note_object(&look, look.waiting[i].object, look.waiting[i].steps - 1, look.waiting[i].from);
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
	reef_warm_clear(warm);
	if (host->L == NULL || host->exiting)
		return;
	reef_warm_note(warm, host, offsetof(struct reef_host, none));
	const global_State *g = G(host->L);
	reef_warm_note(warm, g, offsetof(global_State, finobj));
	/* Short strings of a message are looked for there. */
	if (g->strt.size <= BUCKETS)
		reef_warm_note(warm, g->strt.hash, (size_t)g->strt.size * sizeof(*g->strt.hash));
	reef_warm_note(warm, host->protocols, 2 * sizeof(*host->protocols)); /* of requests, and of replies */
	if (host->last_waiter && host->last_waiter->state == TASK_WAITING) {
		note_sessions(warm, &host->sessions);
		note_task(warm, host->last_waiter);
	} else if (host->pool) {
		note_task(warm, host->pool);
	}
}

/* Ends Lua code that does not end by itself, whatever it is in: a loop, a finalizer, a `__close`, a hook, a pattern, a VM
 * that some C function made for a moment.
 *
 * Each thread notes which Lua thread it runs, at every protected call. An alarm makes that one leave the fast path of the
 * VM's loop, where the alarm is found and raised; so do the loops of the string and the table library. As long as an
 * alarm stands, every protected call that begins or ends passes it on, so it cannot be left behind in a coroutine. It is
 * over when the outermost call of the thread ends.
 *
 * Own thread only; reef_interrupt_raise may be called by a signal handler.
 */
#ifndef REEF_SHARETABLE_INTERRUPT_H
#define REEF_SHARETABLE_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

struct lua_State;

enum {
	REEF_INTERRUPT_ONCE = 1,    /* one error, which may be caught */
	REEF_INTERRUPT_ALWAYS = 2,  /* an error at each step until the outermost call has ended */
	REEF_INTERRUPT_COUNTED = 4, /* steps are counted: struct reef_budget */
	REEF_INTERRUPT_LOOK = 8,    /* somebody wants to see the stack; nothing is raised */
};

/* A bit of the hook mask that stands for no hook. With any bit set the VM looks more closely at each function that it
 * begins; a hook that is set meanwhile may take it away, but not the traps of the functions that run. */
#define REEF_INTERRUPT_MASK (1 << 6)

/* What a call may cost. Lives in the caller's frame. */
struct reef_budget {
	int64_t left;        /* steps: instructions of Lua, or what takes about as long in C */
	const char *message; /* of the error when they are used up; each step raises then */
	uint64_t memory;     /* bytes that the VM had at the last step: what it gets has been written, and costs */
	struct reef_budget *outer;
};

/* What a call of the pattern matcher is worth, which goes through a part of the pattern, and an element of a table. */
#define REEF_STEPS_OF_MATCH 16
#define REEF_STEPS_OF_ELEMENT 4
#define REEF_BYTES_OF_STEP 16 /* of memory that is allocated */

struct reef_interrupt {
	struct lua_State *running; /* of the innermost protected call, or NULL */
	int alarm;                 /* REEF_INTERRUPT_*; also written by the signal handler */
	struct reef_budget *budget;
};
extern _Thread_local struct reef_interrupt reef_interrupt;

/* Sets off an alarm in what this thread runs; false: it runs no Lua. Async-signal-safe. */
bool reef_interrupt_raise(int alarm);

/* From here on this thread's Lua code pays from that budget, and from those that were in force before; until the end is
 * called, which has to happen in the same C function. */
void reef_interrupt_budget_begin(struct lua_State *L, struct reef_budget *budget);
void reef_interrupt_budget_end(struct reef_budget *budget);

/* An alarm stands: raises an error if it says so, after `steps`. */
void reef_interrupt_heed(struct lua_State *L, int64_t steps);

/* For the loops of C functions, which must be ready for an error. */
static inline void reef_interrupt_step(struct lua_State *L, int64_t steps) {
	if (__builtin_expect(__atomic_load_n(&reef_interrupt.alarm, __ATOMIC_RELAXED) != 0, 0))
		reef_interrupt_heed(L, steps);
}

/* What ran when a look was asked for. */
struct reef_interrupt_seen {
	struct lua_State *L; /* NULL: no Lua */
	/* The innermost function's frame (frames.h): if it is not active any more when the look comes, it has returned. */
	const void *frame;
	bool in_c; /* that is a function of C, which Lua has called */
	/* That function, or NULL. It is what the stack has said in the middle of anything: to be compared, not to be called. */
	void (*function)(void);
};

/* Says what this thread runs and, if that is Lua, has `look` called soon: between two instructions, in a loop of a C
 * function, or at the latest when the coroutine yields or ends. Async-signal-safe. */
void reef_interrupt_ask(struct reef_interrupt_seen *seen);
/* Who is called then, on the same thread, with the thread of Lua whose stack may be read. `left`: it has just come to its
 * end, or yielded. It may raise nothing, and run no Lua. Before the first look is asked for. */
void reef_interrupt_set_look(void (*look)(struct lua_State *L, bool left));
/* For the hooks in protected calls: a coroutine has come to its end, or yielded. */
void reef_interrupt_left(struct lua_State *L);

/* For the hooks in protected calls: `L` is about to run, or goes on. */
void reef_interrupt_pass_on(struct lua_State *L);

#endif

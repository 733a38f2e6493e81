/* See fiber.h. A switch keeps what a function may expect to keep across a call, and changes the stack; where that is not written
 * here it is swapcontext, which also makes system calls. Sanitizers are told of each switch, since they keep books about stacks:
 * by macros, since a function's own entry and end would be booked on different ones.
 *
 * Functions that look at the thread are not inlined: a caller could remember an address that was another thread's. */
#include "fiber.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc.h"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#define MOST_IDLE 32u
/* Checked frames are larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROOM 4
#else
#define ROOM 1
#endif

#if defined(__x86_64__)
typedef void *fiber_place; /* the stack pointer, above which lie the registers */
#else
typedef ucontext_t fiber_place;
#endif

struct reef_fiber {
	fiber_place own, back;
	struct reef_fiber *next; /* in the pool */
	void (*run)(void *ud);
	void *ud;
	char *memory, *stack; /* the guard page, and the stack behind it */
	size_t size;          /* of the stack */
	bool returned;
#if defined(__SANITIZE_ADDRESS__)
	void *fake, *back_fake;
	const void *back_bottom;
	size_t back_size;
#endif
#if defined(__SANITIZE_THREAD__)
	void *tsan, *back_tsan;
#endif
};

static __thread struct reef_fiber *current;

__attribute__((noinline)) struct reef_fiber *reef_fiber_current(void) {
	__asm__ volatile("" ::: "memory");
	return current;
}

__attribute__((noinline)) static void fiber_set_current(struct reef_fiber *fiber) {
	__asm__ volatile("" ::: "memory");
	current = fiber;
}

/* ---- what sanitizers are told ---- */

#if defined(__SANITIZE_ADDRESS__)
#define LEAVES_THREAD(f) __sanitizer_start_switch_fiber(&(f)->back_fake, (f)->stack, (f)->size)
#define IS_IN_STACK(f) __sanitizer_finish_switch_fiber((f)->fake, &(f)->back_bottom, &(f)->back_size)
/* The last time: nothing on the stack is needed any more. */
#define LEAVES_STACK(f)                                                                                                \
	__sanitizer_start_switch_fiber((f)->returned ? NULL : &(f)->fake, (f)->back_bottom, (f)->back_size)
#define IS_BACK_IN_THREAD(f) __sanitizer_finish_switch_fiber((f)->back_fake, NULL, NULL)
#elif defined(__SANITIZE_THREAD__)
#define LEAVES_THREAD(f) ((f)->back_tsan = __tsan_get_current_fiber(), __tsan_switch_to_fiber((f)->tsan, 0))
#define IS_IN_STACK(f) ((void)0)
#define LEAVES_STACK(f) __tsan_switch_to_fiber((f)->back_tsan, 0)
#define IS_BACK_IN_THREAD(f) ((void)0)
#else
#define LEAVES_THREAD(f) ((void)0)
#define IS_IN_STACK(f) ((void)0)
#define LEAVES_STACK(f) ((void)0)
#define IS_BACK_IN_THREAD(f) ((void)0)
#endif

/* ---- running ---- */

static void fiber_main(struct reef_fiber *f) {
	IS_IN_STACK(f);
	f->run(f->ud);
	f->returned = true;
	reef_fiber_park(f);
}

#if defined(__x86_64__)

/* The registers that a callee keeps, the control words of both floating-point units, and the stack. */
__attribute__((naked, noinline, noclone, no_sanitize_thread)) static void
fiber_switch(__attribute__((unused)) fiber_place *from, __attribute__((unused)) fiber_place *to) {
	__asm__ volatile("pushq %rbp\n\t"
					 "pushq %rbx\n\t"
					 "pushq %r12\n\t"
					 "pushq %r13\n\t"
					 "pushq %r14\n\t"
					 "pushq %r15\n\t"
					 "subq $8, %rsp\n\t"
					 "stmxcsr (%rsp)\n\t"
					 "fnstcw 4(%rsp)\n\t"
					 "movq %rsp, (%rdi)\n\t"
					 "movq (%rsi), %rsp\n\t"
					 "ldmxcsr (%rsp)\n\t"
					 "fldcw 4(%rsp)\n\t"
					 "addq $8, %rsp\n\t"
					 "popq %r15\n\t"
					 "popq %r14\n\t"
					 "popq %r13\n\t"
					 "popq %r12\n\t"
					 "popq %rbx\n\t"
					 "popq %rbp\n\t"
					 "ret");
}

/* Where a new stack begins: calls r13 with r12. */
__attribute__((naked, noinline, noclone, no_sanitize_thread)) static void fiber_entry(void) {
	__asm__ volatile("xorl %ebp, %ebp\n\t"
					 "movq %r12, %rdi\n\t"
					 "callq *%r13\n\t"
					 "ud2");
}

static void fiber_prepare(struct reef_fiber *f) {
	/* What fiber_switch takes from the stack, with two words above it that keep the alignment. */
	enum { CONTROL, R15, R14, R13, R12, RBX, RBP, RETURN, WORDS = RETURN + 3 };
	uint64_t *words = (uint64_t *)(void *)(f->stack + f->size) - WORDS;
	uint32_t mxcsr;
	uint16_t control;
	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
	words[CONTROL] = mxcsr | (uint64_t)control << 32;
	words[R15] = words[R14] = words[RBX] = words[RBP] = 0;
	words[R13] = (uint64_t)(uintptr_t)fiber_main;
	words[R12] = (uint64_t)(uintptr_t)f;
	words[RETURN] = (uint64_t)(uintptr_t)fiber_entry;
	words[RETURN + 1] = words[RETURN + 2] = 0;
	f->own = words;
}

#else

static void fiber_switch(fiber_place *from, fiber_place *to) {
	swapcontext(from, to);
}

static void fiber_entry(unsigned low, unsigned high) {
	fiber_main((struct reef_fiber *)((uintptr_t)low | (uintptr_t)high << 32));
}

static void fiber_prepare(struct reef_fiber *f) {
	getcontext(&f->own);
	f->own.uc_stack.ss_sp = f->stack;
	f->own.uc_stack.ss_size = f->size;
	f->own.uc_link = NULL;
	makecontext(&f->own, (void (*)(void))fiber_entry, 2, (unsigned)(uintptr_t)f,
				(unsigned)((uint64_t)(uintptr_t)f >> 32));
}

#endif

void reef_fiber_park(struct reef_fiber *f) {
	LEAVES_STACK(f);
	fiber_switch(&f->own, &f->back);
	IS_IN_STACK(f);
}

static void fiber_free(struct reef_fiber *f) {
#if defined(__SANITIZE_THREAD__)
	__tsan_destroy_fiber(f->tsan);
#endif
	munmap(f->memory, f->size + (size_t)(f->stack - f->memory));
	reef_free(f);
}

bool reef_fiber_resume(struct reef_fiber_pool *pool, struct reef_fiber *f) {
	struct reef_fiber *outer = reef_fiber_current();
	fiber_set_current(f);
	LEAVES_THREAD(f);
	fiber_switch(&f->back, &f->own);
	IS_BACK_IN_THREAD(f);
	fiber_set_current(outer);
	if (!f->returned)
		return false;
	if (pool->idle_count < MOST_IDLE) {
		f->next = pool->idle;
		pool->idle = f;
		pool->idle_count++;
	} else {
		fiber_free(f);
	}
	return true;
}

/* ---- making them ---- */

static struct reef_fiber *fiber_new(size_t wanted) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (wanted * ROOM + page - 1) / page * page;
	struct reef_fiber *f = reef_try_malloc(sizeof *f);
	char *memory = mmap(NULL, size + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (f == NULL || memory == MAP_FAILED || mprotect(memory + page, size, PROT_READ | PROT_WRITE) != 0) {
		if (memory != MAP_FAILED)
			munmap(memory, size + page);
		reef_free(f);
		return NULL;
	}
	*f = (struct reef_fiber){.memory = memory, .stack = memory + page, .size = size};
	return f;
}

struct reef_fiber *reef_fiber_take(struct reef_fiber_pool *pool, void (*run)(void *ud), void *ud) {
	struct reef_fiber *f = pool->idle;
	if (f) {
		pool->idle = f->next;
		pool->idle_count--;
	} else if ((f = fiber_new(pool->size)) == NULL) {
		return NULL;
	}
	f->run = run;
	f->ud = ud;
	f->returned = false;
#if defined(__SANITIZE_ADDRESS__)
	f->fake = NULL;
#endif
#if defined(__SANITIZE_THREAD__)
	/* The one before has not left its functions. */
	if (f->tsan)
		__tsan_destroy_fiber(f->tsan);
	f->tsan = __tsan_create_fiber(0);
#endif
	fiber_prepare(f);
	return f;
}

void reef_fiber_pool_fini(struct reef_fiber_pool *pool) {
	while (pool->idle) {
		struct reef_fiber *f = pool->idle;
		pool->idle = f->next;
		fiber_free(f);
	}
	pool->idle_count = 0;
}

/* ldo.c with the hooks of ov.h, and protected calls that note whom they run (interrupt.h). */
#include "ov.h"

#include "interrupt.h"

/* Each wait of a coroutine is a throw. The C library's jump has several times as many instructions as the compiler's: it looks
 * for what pthread_cleanup_push has left and for a mask of signals, and disguises addresses. Sanitizers have to see it. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 10 && defined(__x86_64__) &&                               \
		!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
typedef void *reef_jump_place[5];
#define luai_jmpbuf reef_jump_place
#define LUAI_THROW(L, c) __builtin_longjmp((c)->b, 1)
#define LUAI_TRY(L, c, a)                                                                                              \
	if (__builtin_setjmp((c)->b) == 0) {                                                                               \
		a                                                                                                              \
	}
#endif

static int reef_run_protected(lua_State *L, Pfunc f, void *ud);
static int stock_run_protected(lua_State *L, Pfunc f, void *ud);

/* Renames the definition of luaD_rawrunprotected but sends its callers to reef_run_protected: see ov_lstring.c. */
#define luaD_rawrunprotected(a, ...) REEF_RUN_##a, __VA_ARGS__)
#define REEF_RUN_lua_State stock_run_protected(lua_State
#define REEF_RUN_L reef_run_protected(L
#include "ldo.c"
#undef luaD_rawrunprotected

/* A function of its own, since C code that waits may have come to another thread meanwhile: the address of what is the
 * thread's is not to be kept across the call. */
__attribute__((noinline)) static void run_over(lua_State *L, lua_State *outer, int status) {
	if (l_unlikely(reef_interrupt.alarm != 0) && outer != L)
		reef_interrupt_left(L);
	reef_interrupt.running = outer;
	/* An error that a pcall of the coroutine will catch is not the end of it: lua_resume goes on with that. */
	if (l_unlikely(reef_interrupt.alarm != 0) && !(outer == NULL && status > LUA_YIELD && findpcall(L) != NULL))
		reef_interrupt_pass_on(outer);
}

static int reef_run_protected(lua_State *L, Pfunc f, void *ud) {
	lua_State *outer = reef_interrupt.running;
	reef_interrupt.running = L;
	if (l_unlikely(reef_interrupt.alarm != 0))
		reef_interrupt_pass_on(L);
	int status = stock_run_protected(L, f, ud);
	run_over(L, outer, status);
	return status;
}

int luaD_rawrunprotected(lua_State *L, Pfunc f, void *ud) {
	return reef_run_protected(L, f, ud);
}

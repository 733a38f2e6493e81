/* The sampler: see sampler.h. One lock guards the profiles and the reading of rings; a tick takes none. */
#include "sampler.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include "core/alloc.h"
#include "core/cpu_ticks.h"
#include "core/host/host.h"
#include "core/scheduler.h"
#include "core/service.h"
#include "core/slice.h"
#include "ring.h"
#include "sharetable/overlay/frames.h"
#include "stack_text.h"
#include "tally.h"

enum { MOST_PROFILES = 16, NAME_SIZE = 128 };

#define NS_PER_S UINT64_C(1000000000)

struct reef_sampler {
	enum reef_sampler_kind kind;
	uint32_t handle;
	char *pattern;
	bool lines, running;
	uint64_t samples;
	struct reef_tally *tally;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_sampler *profiles[MOST_PROFILES];
static struct reef_stack_text text;

/* Read by ticks. */
static _Atomic(struct reef_profile_ring *) rings; /* for each worker and kind; kept for good */
static _Atomic uint64_t period;                   /* of CPU time, ns */
static _Atomic uint32_t only;                     /* the one service that anybody wants to know of by CPU time, or 0 */

/* ---- noting: on the worker's own thread, perhaps in a signal handler ---- */

static void note(enum reef_sampler_kind kind, uint64_t value, void *address) {
	struct reef_profile_ring *all = atomic_load_explicit(&rings, memory_order_acquire);
	int worker = reef_scheduler_own_index();
	if (!all || worker < 0)
		return;
	const struct reef_service *service = reef_slice_service();
	struct reef_profile_sample sample = {.value = value, .address = address};
	if (service) {
		sample.handle = reef_service_handle(service);
		reef_interrupt_ask(&sample.seen);
	}
	reef_profile_ring_put(&all[worker * REEF_SAMPLER_KINDS + (int)kind], &sample);
}

static void *interrupted_at(void *context) {
#if defined(__x86_64__)
	return (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (void *)((ucontext_t *)context)->uc_mcontext.pc;
#else
	(void)context;
	return NULL;
#endif
}

static void on_tick(unsigned ticks, void *context) {
	uint32_t wanted = atomic_load_explicit(&only, memory_order_relaxed);
	const struct reef_service *service = reef_slice_service();
	if (wanted && (!service || reef_service_handle(service) != wanted))
		return;
	note(REEF_SAMPLER_CPU, ticks * atomic_load_explicit(&period, memory_order_relaxed), interrupted_at(context));
}

void reef_sampler_allocated(uint64_t bytes) {
	note(REEF_SAMPLER_BYTES, bytes, NULL);
}

/* ---- reading: under the lock ---- */

static void name_of(uint32_t handle, char name[NAME_SIZE]) {
	struct reef_service_look look;
	if (handle == 0) {
		snprintf(name, NAME_SIZE, "(engine)");
		return;
	}
	if (!reef_service_look(handle, &look)) {
		snprintf(name, NAME_SIZE, ":%08x", handle);
		return;
	}
	size_t size;
	const char *word = reef_service_name(look.description, &size);
	snprintf(name, NAME_SIZE, "%.*s", (int)size, word);
}

static bool wants(const struct reef_sampler *profile, uint32_t handle, const char *name) {
	if (profile->handle)
		return profile->handle == handle;
	return !profile->pattern || (handle && fnmatch(profile->pattern, name, 0) == 0);
}

/* The coroutine that the service runs, below the user's own ones; NULL: there is none, or L is not of its VM. */
static lua_State *outer_thread(lua_State *L) {
	struct reef_service *service = reef_slice_service();
	lua_State *outer = service ? reef_host_running_thread(service) : NULL;
	return outer && outer != L && reef_frames_same_vm(outer, L) ? outer : NULL;
}

/* L: whose stack can be read, NULL: nobody's. */
static void write_stack(const struct reef_profile_sample *sample, const char *name, lua_State *L, bool lines) {
	reef_stack_text_begin(&text, name);
	if (!L || sample->seen.L != L) {
		if (!sample->seen.in_c || !reef_stack_text_function(&text, sample->seen.function))
			reef_stack_text_address(&text, sample->address);
		return;
	}
	lua_State *outer = outer_thread(L);
	if (outer)
		reef_stack_text_frames(&text, outer, NULL, lines);
	if (!reef_stack_text_frames(&text, L, sample->seen.frame, lines) && sample->seen.in_c)
		reef_stack_text_returned(&text, L, sample->seen.function);
}

static void count_sample(enum reef_sampler_kind kind, const struct reef_profile_sample *sample, lua_State *L) {
	char name[NAME_SIZE];
	name_of(sample->handle, name);
	int written = -1;
	for (int i = 0; i < MOST_PROFILES; i++) {
		struct reef_sampler *profile = profiles[i];
		if (!profile || profile->kind != kind || !wants(profile, sample->handle, name))
			continue;
		if (written != profile->lines)
			write_stack(sample, name, L, profile->lines);
		written = profile->lines;
		profile->samples++;
		reef_tally_add(profile->tally, text.bytes, text.size, sample->value);
	}
}

static void drain(int worker, lua_State *L) {
	struct reef_profile_ring *all = atomic_load_explicit(&rings, memory_order_acquire);
	for (int kind = 0; all && kind < REEF_SAMPLER_KINDS; kind++) {
		struct reef_profile_sample sample;
		while (reef_profile_ring_take(&all[worker * REEF_SAMPLER_KINDS + kind], &sample))
			count_sample((enum reef_sampler_kind)kind, &sample, L);
	}
}

static void look(lua_State *L, bool left) {
	(void)left;
	int worker = reef_scheduler_own_index();
	if (worker < 0)
		return;
	pthread_mutex_lock(&lock);
	drain(worker, L);
	pthread_mutex_unlock(&lock);
}

static void drain_all(void) {
	for (int worker = 0, n = reef_scheduler_all_workers(); worker < n; worker++)
		drain(worker, NULL);
}

/* ---- profiles ---- */

static int workers_at_most(void) {
	return reef_scheduler_regular_workers() + REEF_SCHEDULER_SPARES;
}

static void make_rings(void) {
	if (atomic_load(&rings))
		return;
	reef_interrupt_set_look(look);
	atomic_store_explicit(&rings,
						  reef_calloc((size_t)workers_at_most() * REEF_SAMPLER_KINDS, sizeof(struct reef_profile_ring)),
						  memory_order_release);
}

/* What ticks have to know, after profiles have come or gone. Returns how many there are by CPU time. */
static int settle_ticks(void) {
	int n = 0;
	uint32_t one = 0;
	for (int i = 0; i < MOST_PROFILES; i++) {
		if (!profiles[i] || profiles[i]->kind != REEF_SAMPLER_CPU)
			continue;
		one = n++ == 0 ? profiles[i]->handle : 0;
	}
	atomic_store(&only, one);
	return n;
}

static int free_place(void) {
	for (int i = 0; i < MOST_PROFILES; i++)
		if (!profiles[i])
			return i;
	return -1;
}

static bool begin_ticks(uint64_t wanted, bool ticking, const char **why) {
	if (ticking && wanted != atomic_load(&period))
		*why = "there is a profile with another frequency";
	else if (atomic_store(&period, wanted), !ticking && !reef_cpu_ticks_start(wanted, on_tick))
		*why = "the system has no timers for the CPU time of threads";
	else
		return true;
	return false;
}

struct reef_sampler *reef_sampler_start(const struct reef_sampler_options *options, const char **why) {
	struct reef_sampler *profile = reef_calloc(1, sizeof(*profile));
	*profile = (struct reef_sampler){.kind = options->kind, .handle = options->handle, .lines = options->lines};
	profile->pattern = options->pattern ? reef_strdup(options->pattern) : NULL;
	profile->tally = reef_tally_new();
	bool ok = true;
	pthread_mutex_lock(&lock);
	make_rings();
	int place = free_place();
	if (place < 0) {
		*why = "there are too many profiles already";
		ok = false;
	} else if (options->kind == REEF_SAMPLER_CPU) {
		ok = begin_ticks(NS_PER_S / options->frequency, settle_ticks() > 0, why);
	}
	if (ok) {
		drain_all(); /* of before */
		profile->running = true;
		profiles[place] = profile;
		settle_ticks();
	}
	pthread_mutex_unlock(&lock);
	if (ok)
		return profile;
	reef_sampler_free(profile);
	return NULL;
}

void reef_sampler_stop(struct reef_sampler *profile) {
	pthread_mutex_lock(&lock);
	if (profile->running) {
		drain_all();
		profile->running = false;
		for (int i = 0; i < MOST_PROFILES; i++)
			if (profiles[i] == profile)
				profiles[i] = NULL;
		if (profile->kind == REEF_SAMPLER_CPU && settle_ticks() == 0)
			reef_cpu_ticks_stop();
	}
	pthread_mutex_unlock(&lock);
}

void reef_sampler_free(struct reef_sampler *profile) {
	if (!profile)
		return;
	reef_sampler_stop(profile);
	reef_tally_free(profile->tally);
	reef_free(profile->pattern);
	reef_free(profile);
}

uint64_t reef_sampler_count(struct reef_sampler *profile) {
	pthread_mutex_lock(&lock);
	uint64_t samples = profile->samples;
	pthread_mutex_unlock(&lock);
	return samples;
}

void reef_sampler_each(struct reef_sampler *profile, void (*f)(void *ud, const char *text, size_t n, uint64_t value),
					   void *ud) {
	reef_tally_each(profile->tally, f, ud);
}

bool reef_sampler_wants_bytes(uint32_t handle) {
	char name[NAME_SIZE];
	bool wanted = false;
	pthread_mutex_lock(&lock);
	name_of(handle, name);
	for (int i = 0; i < MOST_PROFILES && !wanted; i++)
		wanted = profiles[i] && profiles[i]->kind == REEF_SAMPLER_BYTES && wants(profiles[i], handle, name);
	pthread_mutex_unlock(&lock);
	return wanted;
}

bool reef_sampler_fits(uint32_t handle, const char *pattern) {
	char name[NAME_SIZE];
	name_of(handle, name);
	return fnmatch(pattern, name, 0) == 0;
}

void reef_sampler_name(void (*function)(void), const char *name) {
	pthread_mutex_lock(&lock);
	reef_stack_text_name(function, name);
	pthread_mutex_unlock(&lock);
}

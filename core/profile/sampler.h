/* Samples of what services do: by the CPU time that they use, or by the bytes that they allocate.
 *
 * Whoever runs gets a tick (core/cpu_ticks.h), or notices that it has allocated enough. That is noted in a ring of the
 * worker, without a lock, and a look at the stack is asked for (sharetable/overlay/interrupt.h). The look comes where the
 * VM's stack can be read; then the stack, as text, goes into the tally of each profile that wants it. What passes in C
 * until then belongs to the function of Lua that has called it.
 *
 * While there is no profile nothing of this is there: no timer, no signal, no count. */
#ifndef REEF_PROFILE_SAMPLER_H
#define REEF_PROFILE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reef_sampler_kind { REEF_SAMPLER_CPU, REEF_SAMPLER_BYTES, REEF_SAMPLER_KINDS };

struct reef_sampler_options {
	enum reef_sampler_kind kind;
	uint32_t handle; /* 0: all services, and the engine */
	/* Services whose names fit this shell pattern, NULL: all; the name is that of the service's file. */
	const char *pattern;
	bool lines;         /* functions of Lua with the line that they are in */
	unsigned frequency; /* by CPU time: samples a second of it */
};

struct reef_sampler; /* one profile */

/* Begins a profile, which the caller owns: reef_sampler_free. NULL with `*why`: what there is not. Any thread inside the
 * engine, as for all here. */
struct reef_sampler *reef_sampler_start(const struct reef_sampler_options *options, const char **why);
/* No more samples. Again it does nothing. */
void reef_sampler_stop(struct reef_sampler *sampler);
/* Stops it, too. NULL is allowed. */
void reef_sampler_free(struct reef_sampler *sampler);
/* How many samples it has. */
uint64_t reef_sampler_count(struct reef_sampler *sampler);
/* Calls `f` for each stack with the nanoseconds, or bytes, that were seen there. */
void reef_sampler_each(struct reef_sampler *sampler, void (*f)(void *ud, const char *text, size_t n, uint64_t value),
					   void *ud);

/* The running service has allocated so many bytes since its last sample. Own slice. */
void reef_sampler_allocated(uint64_t bytes);
/* Is there a profile of bytes that this service belongs to? */
bool reef_sampler_wants_bytes(uint32_t handle);

/* Does that service's name fit the pattern? */
bool reef_sampler_fits(uint32_t handle, const char *pattern);

/* A function of C is called that in profiles. */
void reef_sampler_name(void (*function)(void), const char *name);

#endif

/* The watchdog's pace, in a time of its own: what it costs while messages are short, and within which time it sees a long one. */
#include "engine.h"

#include "core/pace.h"

#define MS UINT64_C(1000000)
#define LONGEST (REEF_PACE_LEAST_NS << REEF_PACE_DOUBLINGS)

/* A message after the other, of one worker; and who looks at it. */
struct course {
	uint64_t random;
	uint64_t begin, end; /* of the current message */
	uint64_t next_look;
	struct reef_pace pace;
	bool asleep, any;
	unsigned looks, sleeps;
};

static void look(struct course *course, uint64_t *seen_after) {
	uint64_t now = course->next_look;
	bool busy = now >= course->begin && now < course->end;
	bool held = busy && now - course->begin >= REEF_PACE_LONG_NS;
	if (held && *seen_after == 0)
		*seen_after = now - course->begin;
	course->looks++;
	course->asleep =
			reef_pace_note(&course->pace, (struct reef_pace_look){.any = course->any, .busy = busy, .held = held});
	course->any = false;
	course->sleeps += course->asleep;
	course->next_look = now + reef_pace_pause_ns(&course->pace);
}

/* The next message, and all looks before it is over. Returns when it was first seen to be long, after its begin; 0: never. */
static uint64_t go_on(struct course *course, uint64_t gap, uint64_t length) {
	uint64_t seen_after = 0;
	course->begin = course->end + gap;
	course->end = course->begin + length;
	while (!course->asleep && course->next_look < course->begin)
		look(course, &seen_after);
	course->any = true;
	if (course->asleep) {
		course->asleep = false;
		course->next_look = course->begin + reef_pace_pause_ns(&course->pace);
	}
	while (course->next_look < course->end)
		look(course, &seen_after);
	return seen_after;
}

static uint64_t below(struct course *course, uint64_t n) {
	return test_random(&course->random) % n;
}

static void round_trips_are_looked_at_with_the_longest_pause(void **state) {
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct course course = {.random = seed, .next_look = REEF_PACE_LEAST_NS};
		uint64_t most = 20000 + below(&course, 2 * MS - 20000);
		while (course.end < 10000 * MS)
			assert_int_equal(go_on(&course, below(&course, most), 1 + below(&course, MS)), 0);
		assert_int_equal(course.sleeps, 0);
		assert_in_range(course.looks, course.end / LONGEST - 1, course.end / LONGEST + REEF_PACE_DOUBLINGS);
	}
}

static void long_messages_are_seen_in_time(void **state) {
	(void)state;
	unsigned found = 0, slept = 0, late = 0;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct course course = {.random = seed, .next_look = REEF_PACE_LEAST_NS};
		uint64_t rarity = 1 + below(&course, 1000), wary_until = 0;
		for (int i = 0; i < 5000; i++) {
			uint64_t gap = below(&course, 20) ? below(&course, 3 * MS) : below(&course, 100 * MS);
			bool is_long = below(&course, rarity) == 0;
			uint64_t length = is_long ? REEF_PACE_LONG_NS + LONGEST + below(&course, 100 * MS) : 1 + below(&course, MS);
			unsigned sleeps = course.sleeps;
			uint64_t seen_after = go_on(&course, gap, length);
			bool was_asleep = course.sleeps > sleeps;
			slept += was_asleep;
			if (!is_long)
				continue;
			found++;
			assert_in_range(seen_after, REEF_PACE_LONG_NS, REEF_PACE_LONG_NS + LONGEST - 1);
			if (was_asleep || course.begin < wary_until)
				assert_in_range(seen_after, REEF_PACE_LONG_NS, REEF_PACE_LONG_NS + REEF_PACE_LEAST_NS - 1);
			late += seen_after >= REEF_PACE_LONG_NS + REEF_PACE_LEAST_NS;
			wary_until = course.end + REEF_PACE_WARY / 2 * REEF_PACE_LEAST_NS;
		}
	}
	/* What docs/design.md and docs/speed.md promise. */
	assert_true(REEF_PACE_LONG_NS + LONGEST <= 10 * MS && REEF_PACE_LONG_NS + REEF_PACE_LEAST_NS <= 4 * MS);
	/* All of that has happened. */
	assert_true(found > 10000 && slept > 10000 && late > 100);
}

static void nothing_happens_without_messages(void **state) {
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct course course = {.random = seed, .next_look = REEF_PACE_LEAST_NS};
		for (int i = 0; i < 100; i++) {
			unsigned looks = course.looks;
			(void)go_on(&course, 1000 * MS, 1 + below(&course, 300 * MS));
			/* Looks at the message are as many as it is long; after it, until it sleeps, there are a few. */
			uint64_t length = course.end - course.begin;
			assert_in_range(course.looks - looks, 0, length / REEF_PACE_LEAST_NS + 5);
		}
		assert_in_range(course.sleeps, 99, 100);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(round_trips_are_looked_at_with_the_longest_pause),
			cmocka_unit_test(long_messages_are_seen_in_time),
			cmocka_unit_test(nothing_happens_without_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

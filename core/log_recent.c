/* The last lines of the log: see log_recent.h. */
#include "log_recent.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "alloc.h"
#include "clean.h"
#include "clock.h"

#define MOST_BYTES ((size_t)256 << 10) /* of each of the two kinds, their own memory included */
#define MOST_LINES 2048u               /* a power of two */

struct line {
	uint64_t id;
	double time;
	uint32_t source;
	enum reef_log_level level;
	size_t size;
	char text[];
};

/* Lines in the order of their ids: `first` is the oldest, at first % MOST_LINES. */
struct ring {
	struct line *lines[MOST_LINES];
	unsigned first, end;
	size_t bytes;
};

enum { COMMON, GRAVE, RINGS };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool keeps;
static struct ring rings[RINGS];
static uint64_t last_id;

void reef_log_recent_keep(void) {
	atomic_store(&keeps, true);
}

static size_t cost_of(const struct line *line) {
	return sizeof *line + line->size;
}

static void drop_first(struct ring *ring) {
	struct line *line = ring->lines[ring->first++ % MOST_LINES];
	ring->bytes -= cost_of(line);
	reef_free(line);
}

/* No part of a character stays. */
static size_t cut(const char *text, size_t size) {
	if (size <= REEF_LOG_RECENT_TEXT)
		return size;
	size = REEF_LOG_RECENT_TEXT;
	while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	return size;
}

void reef_log_recent_add(const struct reef_log_line *said, const char *text, size_t size) {
	if (!atomic_load_explicit(&keeps, memory_order_relaxed))
		return;
	struct reef_text clean = {0};
	size_t label = 0;
	if (*said->head == '\0')
		reef_log_level_of(text, size, &label);
	reef_text_add(&clean, said->head, strlen(said->head));
	/* Cleaning makes a byte four at most; what is cut away anyway need not be looked at. */
	size_t rest = size - label;
	reef_clean_add(&clean, text + label, rest < REEF_LOG_RECENT_TEXT * 2 ? rest : REEF_LOG_RECENT_TEXT * 2);
	size = clean.failed ? 0 : cut(clean.data ? clean.data : "", clean.size);
	struct line *line = reef_try_malloc(sizeof *line + size);
	if (line) {
		*line = (struct line){.time = reef_wall_seconds(), .source = said->source, .level = said->level, .size = size};
		if (size > 0)
			memcpy(line->text, clean.data, size);
		struct ring *ring = &rings[said->level >= REEF_LOG_WARN ? GRAVE : COMMON];
		pthread_mutex_lock(&lock);
		line->id = ++last_id;
		ring->bytes += cost_of(line);
		while (ring->end - ring->first == MOST_LINES || (ring->bytes > MOST_BYTES && ring->end != ring->first))
			drop_first(ring);
		ring->lines[ring->end++ % MOST_LINES] = line;
		pthread_mutex_unlock(&lock);
	}
	reef_text_free(&clean);
}

static const struct line *find_in(const struct ring *ring, uint64_t before, enum reef_log_level level,
								  uint32_t source) {
	unsigned low = 0, high = ring->end - ring->first;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (ring->lines[(ring->first + middle) % MOST_LINES]->id < before)
			low = middle + 1;
		else
			high = middle;
	}
	while (low-- > 0) {
		const struct line *line = ring->lines[(ring->first + low) % MOST_LINES];
		if (line->level >= level && (source == 0 || line->source == source))
			return line;
	}
	return NULL;
}

bool reef_log_recent_find(uint64_t before, enum reef_log_level level, uint32_t source, struct reef_log_recent *found) {
	const struct line *line = NULL;
	pthread_mutex_lock(&lock);
	for (int kind = 0; kind < RINGS; kind++) {
		const struct line *one = find_in(&rings[kind], before, level, source);
		if (one && (line == NULL || one->id > line->id))
			line = one;
	}
	if (line) {
		found->id = line->id;
		found->time = line->time;
		found->source = line->source;
		found->level = line->level;
		found->size = line->size;
		memcpy(found->text, line->text, line->size);
	}
	pthread_mutex_unlock(&lock);
	return line != NULL;
}

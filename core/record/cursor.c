/* See cursor.h. */
#include "cursor.h"

#include <stdio.h>
#include <string.h>

#include "core/seam.h"
#include "difference.h"
#include "recorded_stack.h"
#include "replaying.h"

/* The service is where the record has that. */
static void arrive(const struct reef_item *item) {
	char why[120];
	if (reef_replaying.options.stack == 0 || item->offset < reef_replaying.options.stack)
		return;
	if (item->offset == reef_replaying.options.stack)
		reef_recorded_stack_show();
	snprintf(why, sizeof why, "nothing begins at offset %llu; what comes next begins at %zu",
			 (unsigned long long)reef_replaying.options.stack, item->offset);
	reef_recorded_stack_fail(why);
}

static struct reef_item *peek(void) {
	if (!reef_replaying.has_next)
		reef_replaying.has_next = reef_record_read(&reef_replaying.reader, &reef_replaying.next);
	return reef_replaying.has_next ? &reef_replaying.next : NULL;
}

struct reef_item *reef_replay_peek(void) {
	struct reef_item *item;
	while ((item = peek()) != NULL) {
		arrive(item);
		if (item->kind != REEF_ITEM_FILE)
			break;
		reef_replay_take();
	}
	return item;
}

const struct reef_item *reef_replay_take_file(const char *name) {
	const struct reef_item *item = peek();
	size_t size = strlen(name);
	if (item == NULL || item->kind != REEF_ITEM_FILE || item->size != size || memcmp(item->bytes, name, size) != 0)
		return NULL;
	arrive(item);
	reef_replay_take();
	return item;
}

void reef_replay_take(void) {
	reef_replaying.has_next = false;
}

bool reef_replay_is_end(const struct reef_item *item) {
	return item == NULL || item->kind == REEF_ITEM_END || item->kind == REEF_ITEM_NOTE;
}

static const char *why_no_more(void) {
	return *reef_replaying.reader.error ? reef_replaying.reader.error
										: "the record ends here, without an end: it was cut";
}

_Noreturn void reef_replay_at_end(void) {
	const struct reef_item *item = reef_replay_peek();
	char how[REEF_RECORD_TEXT_MAX];
	if (item == NULL)
		reef_replay_finish(why_no_more(),
						   *reef_replaying.reader.error ? REEF_REPLAY_ENDED_ILL : REEF_REPLAY_ENDED_WELL);
	snprintf(how, sizeof how, "%s%.*s", item->kind == REEF_ITEM_NOTE ? "this cannot be recorded: " : "",
			 (int)(item->size < sizeof how / 2 ? item->size : sizeof how / 2), item->bytes);
	reef_replay_finish(how, REEF_REPLAY_ENDED_WELL);
}

static bool is_clock(const struct reef_item *item) {
	return item->kind == REEF_ITEM_NUMBER && (item->what == REEF_SEAM_TIME || item->what == REEF_SEAM_WALL);
}

static void note_time(const struct reef_item *item) {
	if (item->what == REEF_SEAM_TIME)
		reef_replaying.time_ns = item->a;
	else
		reef_replaying.wall_ns = item->a;
}

struct reef_item *reef_replay_seek(bool clock, bool lines) {
	for (;;) {
		struct reef_item *item = reef_replay_peek();
		if (reef_replay_is_end(item))
			reef_replay_at_end();
		if (!clock && is_clock(item)) {
			note_time(item);
			reef_replaying.exact = false;
		} else if (!lines && reef_replay_is_line(item)) {
			reef_replay_show_difference(item, NULL);
		} else {
			return item;
		}
		reef_replay_take();
	}
}

struct reef_item *reef_replay_answer(enum reef_item_kind kind, unsigned what) {
	struct reef_item *item = reef_replay_seek(false, false), got = {.kind = kind, .what = what};
	if (item->kind != kind || item->what != what)
		reef_replay_lose(item, &got);
	reef_replaying.answers++;
	reef_replay_take();
	return item;
}

/* Whatever else is next, the service is not there yet. */
int64_t reef_replay_done(void) {
	const struct reef_item *item = peek();
	if (item == NULL || item->kind != REEF_ITEM_NUMBER || item->what != REEF_SEAM_DONE)
		return 1;
	arrive(item);
	reef_replaying.answers++;
	reef_replay_take();
	return item->a;
}

int64_t reef_replay_clock(unsigned what) {
	const struct reef_item *item = reef_replay_seek(true, true);
	if (item->kind == REEF_ITEM_NUMBER && item->what == what) {
		note_time(item);
		reef_replaying.answers++;
		reef_replay_take();
	} else {
		reef_replaying.exact = false;
	}
	return what == REEF_SEAM_TIME ? reef_replaying.time_ns : reef_replaying.wall_ns;
}

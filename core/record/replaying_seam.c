/* See replaying_seam.h. The service is the real one, with the engine's real dispatcher and the real drivers; what it asks and does
 * ends at its seam.
 *
 * With changed code it may look at the clock more or less often, and say other things, without the rest being of no use: so
 * times are given as the record has them last, and lines that are missing or new count as differences. Anything else that is
 * done otherwise in the same place is a difference, too; something else in its place, or a request to somebody else, ends
 * the replay. */
#include "replaying_seam.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "core/seam.h"
#include "cursor.h"
#include "difference.h"
#include "replaying.h"
#include "sources.h"

static int64_t replay_number(struct reef_seam *seam, enum reef_seam_answer what, int64_t real) {
	(void)seam, (void)real;
	if (what == REEF_SEAM_TIME || what == REEF_SEAM_WALL)
		return reef_replay_clock(what);
	return what == REEF_SEAM_DONE ? reef_replay_done() : reef_replay_answer(REEF_ITEM_NUMBER, what)->a;
}

static void replay_bytes(struct reef_seam *seam, enum reef_seam_answer what, void *real, size_t size) {
	(void)seam;
	const struct reef_item *item = reef_replay_answer(REEF_ITEM_BYTES, what);
	memset(real, 0, size);
	memcpy(real, item->bytes, item->size < size ? item->size : size);
}

static const char *replay_text(struct reef_seam *seam, enum reef_seam_answer what, const char *real) {
	(void)seam, (void)real;
	const struct reef_item *item = reef_replay_answer(REEF_ITEM_TEXT, what);
	free(reef_replaying.text);
	reef_replaying.text = item->a ? strndup(item->bytes, item->size) : NULL;
	return reef_replaying.text;
}

static const char *replay_block(struct reef_seam *seam, enum reef_seam_answer what, const char *real, size_t *size) {
	(void)seam, (void)real;
	const struct reef_item *item = reef_replay_answer(REEF_ITEM_BYTES, what);
	*size = item->size;
	return item->bytes;
}

static bool replay_act(struct reef_seam *seam, unsigned deed, const struct reef_seam_about *about) {
	(void)seam;
	struct reef_item got = {.kind = REEF_ITEM_DEED,
							.what = deed,
							.a = about->a,
							.b = about->b,
							.c = about->c,
							.bytes = about->bytes,
							.size = about->size};
	bool line = reef_replay_is_line(&got);
	struct reef_item *item = reef_replay_seek(false, line);
	if (line && (item->kind != REEF_ITEM_DEED || item->what != deed || !reef_replay_is_same(item, &got))) {
		reef_replay_show_difference(NULL, &got);
		return false;
	}
	if (item->kind != REEF_ITEM_DEED || item->what != deed)
		reef_replay_lose(item, &got);
	if (!reef_replay_is_same(item, &got)) {
		if (reef_replay_is_another_request(item, &got))
			reef_replay_lose_answers(item, &got);
		reef_replay_show_difference(item, &got);
	}
	*(line ? &reef_replaying.lines : &reef_replaying.deeds) += 1;
	reef_replay_take();
	return false;
}

static void replay_told(struct reef_seam *seam, unsigned event, const struct reef_seam_about *about) {
	(void)seam, (void)event, (void)about;
}

static const char *replay_values(struct reef_tape *tape, size_t *size) {
	(void)tape;
	const struct reef_item *item = reef_replay_answer(REEF_ITEM_VALUES, 0);
	*size = item->size;
	return item->bytes;
}

static void replay_note(struct reef_tape *tape, const char *what) {
	(void)tape;
	const struct reef_item *item = reef_replay_peek();
	if (reef_replay_is_end(item))
		reef_replay_at_end();
	reef_replay_say("%s cannot be recorded, and is used here for the first time", what);
	reef_replay_say("%s", reef_replay_stack());
	reef_replay_finish("from here on the record is of no use", REEF_REPLAY_ENDED_ILL);
}

static void replay_cannot(struct reef_seam *seam, const char *what) {
	replay_note((struct reef_tape *)seam, what);
}

static void replay_turn(struct reef_host_seam *seam) {
	(void)seam;
}

static void replay_ending(struct reef_host_seam *seam) {
	(void)seam;
	struct reef_item got = {.kind = REEF_ITEM_ENDING};
	struct reef_item *item = reef_replay_seek(false, false);
	if (item->kind != REEF_ITEM_ENDING)
		reef_replay_lose(item, &got);
	reef_replay_take();
}

static void replay_ended(struct reef_host_seam *seam) {
	(void)seam;
	while (reef_replay_peek() && reef_replaying.next.kind == REEF_ITEM_DEFERRED)
		reef_replay_take();
	if (!reef_replay_is_end(reef_replay_peek()))
		reef_replay_lose(&reef_replaying.next, NULL);
	reef_replay_at_end();
}

void reef_replaying_seam_begin(struct reef_host *host) {
	reef_replaying.tape = (struct reef_tape){.host = {.seam = {.number = replay_number,
															   .bytes = replay_bytes,
															   .text = replay_text,
															   .block = replay_block,
															   .cannot = replay_cannot,
															   .act = replay_act,
															   .told = replay_told,
															   .defer = reef_tape_defer},
													  .host = host,
													  .opened = reef_tape_open_libraries,
													  .turn = replay_turn,
													  .module = reef_tape_open_module,
													  .load = reef_sources_replay,
													  .ending = replay_ending,
													  .ended = replay_ended},
											 .get_values = replay_values,
											 .knows_file = reef_sources_has,
											 .note = replay_note};
	reef_replaying.tape.deferred_tail = &reef_replaying.tape.deferred;
}

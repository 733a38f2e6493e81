/* See difference.h. */
#include "difference.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/clock.h"
#include "core/host/host.h"
#include "core/log_writer.h"
#include "core/message.h"
#include "describe.h"
#include "recorded_stack.h"
#include "replaying.h"
#include "unpacked.h"

#define MOST_SHOWN 5 /* differences */
#define LOG_GRACE_NS 1000000000u

/* ---- comparing ---- */

bool reef_replay_is_line(const struct reef_item *item) {
	return item->kind == REEF_ITEM_DEED && (item->what == REEF_SEAM_LOG || item->what == REEF_SEAM_PRINT);
}

/* Are they the same, but for addresses of this process's memory, as `tostring` shows them? */
static bool is_same_text(const char *a, size_t a_size, const char *b, size_t b_size) {
	size_t i = 0, j = 0;
	while (i < a_size && j < b_size) {
		if (a[i] != b[j])
			return false;
		bool address = i > 1 && a[i] == 'x' && a[i - 1] == '0';
		i++, j++;
		if (!address)
			continue;
		while (i < a_size && isxdigit((unsigned char)a[i]))
			i++;
		while (j < b_size && isxdigit((unsigned char)b[j]))
			j++;
	}
	return i == a_size && j == b_size;
}

bool reef_replay_is_same(const struct reef_item *recorded, const struct reef_item *now) {
	if (recorded->a != now->a || recorded->b != now->b || recorded->c != now->c)
		return false;
	if (reef_replay_is_line(now))
		return is_same_text(recorded->bytes, recorded->size, now->bytes, now->size);
	return recorded->size == now->size && (now->size == 0 || memcmp(recorded->bytes, now->bytes, now->size) == 0);
}

/* The type of a message that is sent, and its session, 0: nobody answers. */
static unsigned type_of(const struct reef_item *sent) {
	return (unsigned)(sent->b >> 32);
}

bool reef_replay_is_another_request(const struct reef_item *recorded, const struct reef_item *now) {
	if (now->what == REEF_SEAM_PARTNER)
		return true;
	bool asks = (int32_t)now->b != 0 && type_of(now) != REEF_PTYPE_RESPONSE && type_of(now) != REEF_PTYPE_ERROR;
	return now->what == REEF_SEAM_SEND && asks && (recorded->a != now->a || recorded->b != now->b);
}

/* ---- what was different ---- */

/* What the service has said comes before what is said of it. */
static void flush(void) {
	reef_log_writer_finish(reef_now_ns() + LOG_GRACE_NS);
	fflush(stdout);
}

static void show_item(const char *what, const struct reef_item *item) {
	struct reef_text text = {0};
	reef_describe(&text, item);
	reef_replay_say("  %s %.*s", what, (int)text.size, text.data ? text.data : "");
	reef_text_free(&text);
	lua_State *L = reef_host_main(reef_replaying.tape.host.host);
	if (item->kind == REEF_ITEM_DEED && item->what == REEF_SEAM_SEND &&
		reef_unpacked_push(L, item->bytes, item->size)) {
		reef_replay_say("            which is %s", lua_tostring(L, -1));
		lua_pop(L, 1);
	}
}

/* Where the record has what was expected, or what it has next. */
static void show_recorded_stack(const struct reef_item *expected) {
	if (reef_replaying.has_files && !reef_replaying.code_changed)
		reef_replay_say("  the service's code is as it was recorded: something else has changed");
	else if (expected || reef_replaying.has_next)
		reef_recorded_stack_say(expected ? expected->offset : reef_replaying.next.offset);
}

void reef_replay_show_difference(const struct reef_item *expected, const struct reef_item *got) {
	if (reef_replaying.options.stack > 0)
		reef_recorded_stack_fail("the recorded code does something else before");
	if (++reef_replaying.differences > MOST_SHOWN)
		return;
	reef_replaying.tape.host.seam.off++;
	flush();
	reef_replay_say("difference %llu, in message %llu, after %.3f s%s", (unsigned long long)reef_replaying.differences,
					(unsigned long long)reef_replaying.messages, reef_replaying_seconds(), expected ? "" : " (new)");
	if (expected)
		show_item("recorded:", expected);
	if (got)
		show_item("now:     ", got);
	else
		reef_replay_say("  now:      it does not");
	if (expected)
		reef_replay_say("  at offset %zu of the record", expected->offset);
	reef_replay_say("  now:      %s", reef_replay_stack());
	if (reef_replaying.differences == 1)
		show_recorded_stack(expected);
	reef_replaying.tape.host.seam.off--;
}

/* ---- the end ---- */

_Noreturn void reef_replay_finish(const char *how, int code) {
	if (reef_replaying.options.stack > 0)
		reef_recorded_stack_fail(how);
	reef_replaying.tape.host.seam.off++;
	flush();
	if (reef_replaying.options.stop > reef_replaying.messages)
		reef_replay_say("there is no message %llu to stop before", (unsigned long long)reef_replaying.options.stop);
	if (reef_replaying.options.with && !reef_replaying.with_used) {
		reef_replay_say("%s was not loaded: no file of the service has that name", reef_replaying.options.with);
		code = REEF_REPLAY_ENDED_ILL;
	}
	if (!reef_replaying.options.quiet || code != REEF_REPLAY_ENDED_WELL)
		reef_replay_say("%.3f s, %llu messages, %llu events, %llu things done, %llu lines, %llu answers: %s; %s",
						reef_replaying_seconds(), (unsigned long long)reef_replaying.messages,
						(unsigned long long)reef_replaying.events, (unsigned long long)reef_replaying.deeds,
						(unsigned long long)reef_replaying.lines, (unsigned long long)reef_replaying.answers,
						reef_replaying.differences > 0 ? "NOT as recorded"
						: reef_replaying.exact         ? "as recorded"
													   : "as recorded but for looks at the clock",
						how);
	_exit(reef_replaying.differences > 0 && code == REEF_REPLAY_ENDED_WELL ? REEF_REPLAY_ENDED_ILL : code);
}

_Noreturn void reef_replay_lose(const struct reef_item *expected, const struct reef_item *got) {
	reef_replay_show_difference(expected, got);
	reef_replay_finish("from here on the record is of no use: what is done next is something else",
					   REEF_REPLAY_ENDED_ILL);
}

_Noreturn void reef_replay_lose_answers(const struct reef_item *expected, const struct reef_item *got) {
	reef_replay_show_difference(expected, got);
	reef_replay_finish("from here on the record is of no use: what it has is no answer to that", REEF_REPLAY_ENDED_ILL);
}

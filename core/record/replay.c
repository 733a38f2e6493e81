/* See replay.h. The service is the real one, with the engine's real dispatcher and the real drivers; what it asks and does ends
 * at its seam. Messages and events are handed to it in the record's order by `pump`, which is woken by messages of its own.
 *
 * With changed code the service may look at the clock more or less often, and say other things, without the rest being of no
 * use: so times are given as the record has them last, and lines that are missing or new count as differences. Anything else
 * that is done otherwise in the same place is a difference, too; something else in its place ends the replay. */
#include "replay.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/clock.h"
#include "core/host/host.h"
#include "core/log_writer.h"
#include "core/message.h"
#include "core/send.h"
#include "core/service.h"
#include "core/service_life.h"
#include "describe.h"
#include "prompt.h"
#include "tape.h"
#include "unpacked.h"

#define AT_ONCE 256  /* items that are played before the engine gets its turn */
#define MOST_SHOWN 5 /* differences */
#define LOG_GRACE_NS 1000000000u
#define ENDED_WELL 0
#define ENDED_ILL 1

static struct replay {
	struct reef_tape tape;
	struct reef_replay_options options;
	struct reef_record_reader reader;
	struct reef_item next; /* if `has_next` */
	bool on, has_next, over;
	bool exact;       /* no look at the clock too many or too few */
	int64_t start_ns; /* when the record began */
	int64_t time_ns, wall_ns;
	int64_t paced_ns;
	uint64_t messages, events, deeds, lines, answers, differences;
	char *text; /* the last one that was given */
} replay;

/* ---- the end ---- */

static double seconds(void) {
	return (double)(replay.time_ns - replay.start_ns) / 1e9;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...) {
	va_list args;
	va_start(args, format);
	fputs("replay: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* What the service has said comes before what is said of it. */
static void flush(void) {
	reef_log_writer_finish(reef_now_ns() + LOG_GRACE_NS);
	fflush(stdout);
}

/* Differences have been shown before. */
static _Noreturn void finish(const char *how, int code) {
	replay.tape.host.seam.off++;
	flush();
	if (!replay.options.quiet || code != ENDED_WELL)
		say("%.3f s, %llu messages, %llu events, %llu things done, %llu lines, %llu answers: %s; %s", seconds(),
			(unsigned long long)replay.messages, (unsigned long long)replay.events, (unsigned long long)replay.deeds,
			(unsigned long long)replay.lines, (unsigned long long)replay.answers,
			replay.differences > 0 ? "NOT as recorded"
			: replay.exact         ? "as recorded"
								   : "as recorded but for looks at the clock",
			how);
	_exit(replay.differences > 0 && code == ENDED_WELL ? ENDED_ILL : code);
}

static const char *why_no_more(void) {
	return *replay.reader.error ? replay.reader.error : "the record ends here, without an end: it was cut";
}

/* The Lua code that is at work, if any is. */
static void show_stack(void) {
	lua_State *L = reef_host_running_thread(reef_host_service(replay.tape.host.host));
	if (L == NULL)
		return;
	replay.tape.host.seam.off++;
	luaL_traceback(L, L, NULL, 0);
	say("%s", lua_tostring(L, -1));
	lua_pop(L, 1);
	replay.tape.host.seam.off--;
}

static void show_item(const char *what, const struct reef_item *item) {
	struct reef_text text = {0};
	reef_describe(&text, item);
	say("  %s %.*s", what, (int)text.size, text.data ? text.data : "");
	reef_text_free(&text);
	lua_State *L = reef_host_main(replay.tape.host.host);
	if (item->kind == REEF_ITEM_DEED && item->what == REEF_SEAM_SEND &&
		reef_unpacked_push(L, item->bytes, item->size)) {
		say("            which is %s", lua_tostring(L, -1));
		lua_pop(L, 1);
	}
}

/* A difference; `expected` is what the record has, `got` what was done; either may be NULL. */
static void show_difference(const struct reef_item *expected, const struct reef_item *got) {
	if (++replay.differences > MOST_SHOWN)
		return;
	replay.tape.host.seam.off++;
	flush();
	replay.tape.host.seam.off--;
	replay.tape.host.seam.off++;
	say("difference %llu, in message %llu, after %.3f s%s", (unsigned long long)replay.differences,
		(unsigned long long)replay.messages, seconds(), expected ? "" : " (new)");
	if (expected)
		show_item("recorded:", expected);
	if (got)
		show_item("now:     ", got);
	else
		say("  now:      it does not");
	if (expected)
		say("  at offset %zu of the record", expected->offset);
	show_stack();
	replay.tape.host.seam.off--;
}

/* ---- reading ---- */

static struct reef_item *peek(void) {
	if (!replay.has_next)
		replay.has_next = reef_record_read(&replay.reader, &replay.next);
	return replay.has_next ? &replay.next : NULL;
}

static void take(void) {
	replay.has_next = false;
}

/* Nothing more is to be had: the service stands still where it is. */
static _Noreturn void at_end(void) {
	const struct reef_item *item = peek();
	char how[REEF_RECORD_TEXT_MAX];
	if (item == NULL)
		finish(why_no_more(), *replay.reader.error ? ENDED_ILL : ENDED_WELL);
	snprintf(how, sizeof how, "%s%.*s", item->kind == REEF_ITEM_NOTE ? "this cannot be recorded: " : "",
			 (int)(item->size < sizeof how / 2 ? item->size : sizeof how / 2), item->bytes);
	finish(how, ENDED_WELL);
}

static bool is_end(const struct reef_item *item) {
	return item == NULL || item->kind == REEF_ITEM_END || item->kind == REEF_ITEM_NOTE;
}

static bool is_clock(const struct reef_item *item) {
	return item->kind == REEF_ITEM_NUMBER && (item->what == REEF_SEAM_TIME || item->what == REEF_SEAM_WALL);
}

static bool is_line(const struct reef_item *item) {
	return item->kind == REEF_ITEM_DEED && (item->what == REEF_SEAM_LOG || item->what == REEF_SEAM_PRINT);
}

static void note_time(const struct reef_item *item) {
	if (item->what == REEF_SEAM_TIME)
		replay.time_ns = item->a;
	else
		replay.wall_ns = item->a;
}

/* The next item; what nobody asked for, or said, is passed over unless that is wanted. */
static struct reef_item *seek(bool clock, bool lines) {
	for (;;) {
		struct reef_item *item = peek();
		if (is_end(item))
			at_end();
		if (!clock && is_clock(item)) {
			note_time(item);
			replay.exact = false;
		} else if (!lines && is_line(item)) {
			show_difference(item, NULL);
		} else {
			return item;
		}
		take();
	}
}

static _Noreturn void lose(const struct reef_item *expected, const struct reef_item *got) {
	show_difference(expected, got);
	finish("from here on the record is of no use: what is done next is something else", ENDED_ILL);
}

static struct reef_item *answer(enum reef_item_kind kind, unsigned what) {
	struct reef_item *item = seek(false, false), got = {.kind = kind, .what = what};
	if (item->kind != kind || item->what != what)
		lose(item, &got);
	replay.answers++;
	take();
	return item;
}

/* ---- what passes the seam ---- */

static int64_t replay_number(struct reef_seam *seam, enum reef_seam_answer what, int64_t real) {
	(void)seam, (void)real;
	if (what != REEF_SEAM_TIME && what != REEF_SEAM_WALL)
		return answer(REEF_ITEM_NUMBER, what)->a;
	const struct reef_item *item = seek(true, true);
	if (item->kind == REEF_ITEM_NUMBER && item->what == (unsigned)what) {
		note_time(item);
		replay.answers++;
		take();
	} else {
		replay.exact = false;
	}
	return what == REEF_SEAM_TIME ? replay.time_ns : replay.wall_ns;
}

static void replay_bytes(struct reef_seam *seam, enum reef_seam_answer what, void *real, size_t size) {
	(void)seam;
	const struct reef_item *item = answer(REEF_ITEM_BYTES, what);
	memset(real, 0, size);
	memcpy(real, item->bytes, item->size < size ? item->size : size);
}

static const char *replay_text(struct reef_seam *seam, enum reef_seam_answer what, const char *real) {
	(void)seam, (void)real;
	const struct reef_item *item = answer(REEF_ITEM_TEXT, what);
	free(replay.text);
	replay.text = item->a ? strndup(item->bytes, item->size) : NULL;
	return replay.text;
}

static const char *replay_block(struct reef_seam *seam, enum reef_seam_answer what, const char *real, size_t *size) {
	(void)seam, (void)real;
	const struct reef_item *item = answer(REEF_ITEM_BYTES, what);
	*size = item->size;
	return item->bytes;
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

static bool is_same(const struct reef_item *recorded, const struct reef_item *now) {
	if (recorded->a != now->a || recorded->b != now->b || recorded->c != now->c)
		return false;
	if (is_line(now))
		return is_same_text(recorded->bytes, recorded->size, now->bytes, now->size);
	return recorded->size == now->size && (now->size == 0 || memcmp(recorded->bytes, now->bytes, now->size) == 0);
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
	bool line = is_line(&got);
	struct reef_item *item = seek(false, line);
	if (line && (item->kind != REEF_ITEM_DEED || item->what != deed || !is_same(item, &got))) {
		show_difference(NULL, &got);
		return false;
	}
	if (item->kind != REEF_ITEM_DEED || item->what != deed)
		lose(item, &got);
	if (!is_same(item, &got))
		show_difference(item, &got);
	*(line ? &replay.lines : &replay.deeds) += 1;
	take();
	return false;
}

static void replay_told(struct reef_seam *seam, unsigned event, const struct reef_seam_about *about) {
	(void)seam, (void)event, (void)about;
}

static const char *replay_values(struct reef_tape *tape, size_t *size) {
	(void)tape;
	const struct reef_item *item = answer(REEF_ITEM_VALUES, 0);
	*size = item->size;
	return item->bytes;
}

static void replay_note(struct reef_tape *tape, const char *what) {
	(void)tape;
	const struct reef_item *item = peek();
	if (is_end(item))
		at_end();
	say("%s cannot be recorded, and is used here for the first time", what);
	show_stack();
	finish("from here on the record is of no use", ENDED_ILL);
}

static void replay_cannot(struct reef_seam *seam, const char *what) {
	replay_note((struct reef_tape *)seam, what);
}

/* ---- playing ---- */

static void keep_pace(void) {
	if (replay.options.speed <= 0)
		return;
	int64_t wait = (int64_t)((double)(replay.time_ns - replay.paced_ns) / replay.options.speed);
	replay.paced_ns = replay.time_ns;
	if (wait > 0)
		nanosleep(&(struct timespec){.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000}, NULL);
}

static void play_message(const struct reef_item *item) {
	struct reef_host *host = replay.tape.host.host;
	struct reef_message *m = reef_message_new(item->size);
	if (item->size > 0)
		memcpy(m->data, item->bytes, item->size);
	m->type = (uint8_t)(item->a >> 32);
	m->session = (int32_t)item->a;
	m->source = (uint32_t)item->b;
	m->flags |= (uint8_t)(item->c & REEF_MESSAGE_OWN);
	take();
	replay.time_ns = replay.reader.time_ns;
	keep_pace();
	if (replay.options.until > 0 && seconds() > replay.options.until)
		finish("as far as was wanted (--until)", ENDED_WELL);
	if (++replay.messages == replay.options.stop)
		reef_replay_prompt(host, replay.messages, seconds());
	reef_host_seam_deliver(host, m);
	reef_message_free(m);
}

static void play_event(const struct reef_item *item) {
	struct reef_seam *seam = &replay.tape.host.seam;
	struct reef_seam_about about = {.a = item->a, .b = item->b, .c = item->c, .bytes = item->bytes, .size = item->size};
	unsigned event = item->what;
	take();
	replay.events++;
	seam->within++;
	reef_seam_play(event, &about);
	seam->within--;
}

/* One item; false: the service is about to end. */
static bool play(void) {
	struct reef_host *host = replay.tape.host.host;
	struct reef_service *service = reef_host_service(host);
	const struct reef_item *item = seek(false, false);
	switch (item->kind) {
	case REEF_ITEM_MESSAGE:
		play_message(item);
		break;
	case REEF_ITEM_EVENT:
		play_event(item);
		break;
	case REEF_ITEM_TURN:
		take();
		replay.time_ns = replay.reader.time_ns;
		reef_host_seam_turn(host);
		break;
	case REEF_ITEM_DEFERRED:
		take();
		reef_tape_run_deferred(&replay.tape);
		break;
	case REEF_ITEM_ENDING:
		replay.tape.host.seam.off++;
		reef_service_kill(reef_service_handle(service));
		replay.tape.host.seam.off--;
		return false;
	default:
		lose(item, NULL);
	}
	return !reef_service_ending(service);
}

/* Sees to it that `pump` is called again. */
static void wake(void) {
	struct reef_seam *seam = &replay.tape.host.seam;
	seam->off++;
	reef_send(reef_service_handle(reef_host_service(replay.tape.host.host)), reef_message_wrap(NULL, 0));
	seam->off--;
}

static bool pump(struct reef_host_seam *seam, struct reef_message *m) {
	(void)m;
	if (seam->seam.within > 0)
		return true;
	for (int i = 0; i < AT_ONCE; i++)
		if (!play())
			return false;
	wake();
	return false;
}

static void replay_opened(struct reef_host_seam *seam, lua_State *L) {
	lua_pushlightuserdata(L, seam);
	lua_setfield(L, LUA_REGISTRYINDEX, "reef.record");
	reef_tape_open_libraries(L);
}

static void replay_booted(struct reef_host_seam *seam) {
	(void)seam;
	wake();
}

static void replay_turn(struct reef_host_seam *seam) {
	(void)seam;
}

static const char *replay_file(struct reef_host_seam *seam, const char *name) {
	(void)seam;
	const char *with = replay.options.with;
	if (with == NULL)
		return name;
	const char *last = strrchr(name, '/'), *own = strrchr(with, '/');
	return strcmp(last ? last + 1 : name, own ? own + 1 : with) == 0 ? with : name;
}

static void replay_ending(struct reef_host_seam *seam) {
	(void)seam;
	struct reef_item got = {.kind = REEF_ITEM_ENDING};
	struct reef_item *item = seek(false, false);
	if (item->kind != REEF_ITEM_ENDING)
		lose(item, &got);
	take();
}

static void replay_ended(struct reef_host_seam *seam) {
	(void)seam;
	while (peek() && replay.next.kind == REEF_ITEM_DEFERRED)
		take();
	if (!is_end(peek()))
		lose(&replay.next, NULL);
	at_end();
}

/* ---- start ---- */

void reef_replay_begin(const struct reef_replay_options *options, const struct reef_record_reader *reader,
					   int64_t start_ns) {
	replay.options = *options;
	replay.reader = *reader;
	replay.start_ns = replay.time_ns = replay.paced_ns = start_ns;
	replay.on = replay.exact = true;
}

bool reef_replay_is_on(void) {
	return replay.on;
}

struct reef_host_seam *reef_replay_make(struct reef_host *host) {
	if (replay.tape.host.host)
		return NULL;
	replay.tape = (struct reef_tape){.host = {.seam = {.number = replay_number,
													   .bytes = replay_bytes,
													   .text = replay_text,
													   .block = replay_block,
													   .cannot = replay_cannot,
													   .act = replay_act,
													   .told = replay_told,
													   .defer = reef_tape_defer},
											  .host = host,
											  .opened = replay_opened,
											  .booted = replay_booted,
											  .message = pump,
											  .turn = replay_turn,
											  .module = reef_tape_open_module,
											  .file = replay_file,
											  .ending = replay_ending,
											  .ended = replay_ended},
									 .get_values = replay_values,
									 .note = replay_note};
	replay.tape.deferred_tail = &replay.tape.deferred;
	return &replay.tape.host;
}

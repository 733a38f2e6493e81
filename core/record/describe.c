/* See describe.h. */
#include "describe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/seam.h"

#define SHOWN 240 /* bytes */

static const char *const answers[REEF_SEAM_ANSWERS] = {[REEF_SEAM_TIME] = "the time",
													   [REEF_SEAM_WALL] = "the time of day",
													   [REEF_SEAM_CHANCE] = "random bytes",
													   [REEF_SEAM_RESULT] = "what came of it",
													   [REEF_SEAM_NAME] = "the address behind a name",
													   [REEF_SEAM_STATE] = "the state of the process",
													   [REEF_SEAM_DONE] = "whether it was done"};

static const char *const socket_deeds[] = {"connects",
										   "opens the descriptor",
										   "starts socket",
										   "abandons socket",
										   "pauses socket",
										   "resumes socket",
										   "writes to socket",
										   "closes socket",
										   "shuts down socket",
										   "sets the linger of socket",
										   "sets nodelay of socket",
										   "begins TLS on socket",
										   "listens",
										   "announces socket",
										   "opens UDP",
										   "dials UDP",
										   "connects UDP socket",
										   "sends a datagram from socket"};

static const char *const events[] = {"?",         "is open",    "has bytes",       "has a connection", "has a datagram",
									 "has ended", "has failed", "has much to send"};

static void add(struct reef_text *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct reef_text *to, const char *format, ...) {
	char text[256];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	reef_text_add(to, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

static void add_bytes(struct reef_text *to, const char *bytes, size_t size) {
	size_t shown = size < SHOWN ? size : SHOWN;
	for (size_t at = 0, next; at < shown; at = next + 1) {
		const char *line = memchr(bytes + at, '\n', shown - at);
		next = line ? (size_t)(line - bytes) : shown;
		reef_text_add_printable(to, bytes + at, next - at);
		if (line)
			reef_text_add(to, "\\n", 2);
	}
	if (shown < size)
		add(to, "... (%zu bytes)", size);
}

static void add_deed(struct reef_text *to, const struct reef_item *item) {
	switch (item->what) {
	case REEF_SEAM_SEND:
		add(to, "sends to :%08x type %d session %d: ", (uint32_t)item->a, (int)(item->b >> 32), (int32_t)item->b);
		break;
	case REEF_SEAM_TIMER:
		add(to, "sets a timer, session %d", (int)item->a);
		return;
	case REEF_SEAM_LOG:
		add(to, "logs: ");
		break;
	case REEF_SEAM_PRINT:
		add(to, "prints: ");
		add_bytes(to, item->bytes, item->size - (item->size > 0 && item->bytes[item->size - 1] == '\n'));
		return;
	case REEF_SEAM_COMMAND:
		add(to, "asks the engine: ");
		break;
	case REEF_SEAM_CALL:
		add(to, "calls ");
		break;
	case REEF_SEAM_PARTNER:
		add(to, "turns to ");
		break;
	default:
		if (item->what - REEF_SEAM_SOCKET >= sizeof socket_deeds / sizeof *socket_deeds)
			add(to, "does something unknown (%u)", item->what);
		else
			add(to, "%s %lld: ", socket_deeds[item->what - REEF_SEAM_SOCKET], (long long)item->a);
	}
	add_bytes(to, item->bytes, item->size);
}

static const char *answer_name(unsigned what) {
	return what < REEF_SEAM_ANSWERS && answers[what] ? answers[what] : "something unknown";
}

void reef_describe(struct reef_text *to, const struct reef_item *item) {
	switch (item->kind) {
	case REEF_ITEM_MESSAGE:
		add(to, "message from :%08x type %d session %d: ", (uint32_t)item->b, (int)(item->a >> 32), (int32_t)item->a);
		add_bytes(to, item->bytes, item->size);
		break;
	case REEF_ITEM_TURN:
		add(to, "what an event woke goes on");
		break;
	case REEF_ITEM_DEFERRED:
		add(to, "the slice ends");
		break;
	case REEF_ITEM_ENDING:
		add(to, "the service ends");
		break;
	case REEF_ITEM_NOTE:
		add(to, "cannot be recorded: ");
		add_bytes(to, item->bytes, item->size);
		break;
	case REEF_ITEM_END:
		add(to, "the record ends: ");
		add_bytes(to, item->bytes, item->size);
		break;
	case REEF_ITEM_VALUES:
		add(to, "is returned values");
		break;
	case REEF_ITEM_FILE:
		add(to, "loads a file of %zu bytes: ", item->value_size);
		add_bytes(to, item->bytes, item->size);
		break;
	case REEF_ITEM_NUMBER:
		add(to, "is told %s: %lld", answer_name(item->what), (long long)item->a);
		break;
	case REEF_ITEM_BYTES:
		add(to, "is told %s (%zu bytes)", answer_name(item->what), item->size);
		break;
	case REEF_ITEM_TEXT:
		add(to, "is told %s: ", answer_name(item->what));
		add_bytes(to, item->a ? item->bytes : "nothing", item->a ? item->size : 7);
		break;
	case REEF_ITEM_DEED:
		add_deed(to, item);
		break;
	case REEF_ITEM_EVENT:
		add(to, "socket %lld %s: ", (long long)item->a,
			item->what < sizeof events / sizeof *events ? events[item->what] : "?");
		if (item->what != 4 || item->b >= 0)
			add_bytes(to, item->bytes, item->size);
		break;
	default:
		add(to, "something unknown");
	}
}

/* See replay.h. Messages and events are handed to the service in the record's order by `pump`, which is woken by messages of
 * its own. */
#include "replay.h"

#include <string.h>
#include <time.h>

#include "core/host/host.h"
#include "core/message.h"
#include "core/send.h"
#include "core/service.h"
#include "core/service_life.h"
#include "cursor.h"
#include "difference.h"
#include "prompt.h"
#include "replaying.h"
#include "replaying_seam.h"

#define AT_ONCE 256 /* items that are played before the engine gets its turn */

static void keep_pace(void) {
	if (reef_replaying.options.speed <= 0)
		return;
	int64_t wait = (int64_t)((double)(reef_replaying.time_ns - reef_replaying.paced_ns) / reef_replaying.options.speed);
	reef_replaying.paced_ns = reef_replaying.time_ns;
	if (wait > 0)
		nanosleep(&(struct timespec){.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000}, NULL);
}

static void play_message(const struct reef_item *item) {
	struct reef_host *host = reef_replaying.tape.host.host;
	struct reef_message *m = reef_message_new(item->size);
	if (item->size > 0)
		memcpy(m->data, item->bytes, item->size);
	m->type = (uint8_t)(item->a >> 32);
	m->session = (int32_t)item->a;
	m->source = (uint32_t)item->b;
	m->flags |= (uint8_t)(item->c & REEF_MESSAGE_OWN);
	reef_replay_take();
	reef_replaying.time_ns = reef_replaying.reader.time_ns;
	keep_pace();
	if (reef_replaying.options.until > 0 && reef_replaying_seconds() > reef_replaying.options.until)
		reef_replay_finish("as far as was wanted (--until)", REEF_REPLAY_ENDED_WELL);
	if (++reef_replaying.messages == reef_replaying.options.stop)
		reef_replay_prompt(host, reef_replaying.messages, reef_replaying_seconds());
	reef_host_seam_deliver(host, m);
	reef_message_free(m);
}

static void play_event(const struct reef_item *item) {
	struct reef_seam *seam = &reef_replaying.tape.host.seam;
	struct reef_seam_about about = {.a = item->a, .b = item->b, .c = item->c, .bytes = item->bytes, .size = item->size};
	unsigned event = item->what;
	reef_replay_take();
	reef_replaying.events++;
	seam->within++;
	reef_seam_play(event, &about);
	seam->within--;
}

/* One item; false: the service is about to end. */
static bool play(void) {
	struct reef_host *host = reef_replaying.tape.host.host;
	struct reef_service *service = reef_host_service(host);
	const struct reef_item *item = reef_replay_seek(false, false);
	switch (item->kind) {
	case REEF_ITEM_MESSAGE:
		play_message(item);
		break;
	case REEF_ITEM_EVENT:
		play_event(item);
		break;
	case REEF_ITEM_TURN:
		reef_replay_take();
		reef_replaying.time_ns = reef_replaying.reader.time_ns;
		reef_host_seam_turn(host);
		break;
	case REEF_ITEM_DEFERRED:
		reef_replay_take();
		reef_tape_run_deferred(&reef_replaying.tape);
		break;
	case REEF_ITEM_ENDING:
		reef_replaying.tape.host.seam.off++;
		reef_service_kill(reef_service_handle(service));
		reef_replaying.tape.host.seam.off--;
		return false;
	default:
		reef_replay_lose(item, NULL);
	}
	return !reef_service_ending(service);
}

/* Sees to it that `pump` is called again. */
static void wake(void) {
	struct reef_seam *seam = &reef_replaying.tape.host.seam;
	seam->off++;
	reef_send(reef_service_handle(reef_host_service(reef_replaying.tape.host.host)), reef_message_wrap(NULL, 0));
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

static void booted(struct reef_host_seam *seam) {
	(void)seam;
	wake();
}

void reef_replay_begin(const struct reef_replay_options *options, const struct reef_record_reader *reader,
					   int64_t start_ns) {
	reef_replaying.options = *options;
	reef_replaying.reader = reef_replaying.beginning = *reader;
	reef_replaying.start_ns = reef_replaying.time_ns = reef_replaying.paced_ns = start_ns;
	reef_replaying.on = reef_replaying.exact = true;
}

bool reef_replay_is_on(void) {
	return reef_replaying.on;
}

struct reef_host_seam *reef_replay_make(struct reef_host *host) {
	if (reef_replaying.tape.host.host)
		return NULL;
	reef_replaying_seam_begin(host);
	reef_replaying.tape.host.message = pump;
	reef_replaying.tape.host.booted = booted;
	return &reef_replaying.tape.host;
}

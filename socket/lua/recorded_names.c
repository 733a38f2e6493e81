/* See recorded_names.h. */
#include "recorded_names.h"

#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/ptrmap.h"
#include "core/seam.h"
#include "core/text.h"

static reef_waiter_done answered;
static struct reef_ptrmap asked; /* in a replay: who waits, by number */
static atomic_uint last_number;

/* ---- answers as bytes ---- */

static void put(struct reef_text *to, const void *bytes, size_t size) {
	reef_text_add(to, bytes, size);
}

static void put_number(struct reef_text *to, size_t n) {
	uint32_t number = (uint32_t)n;
	put(to, &number, sizeof number);
}

static void put_answer(struct reef_text *to, const struct reef_answer *answer, const char *error) {
	put_number(to, answer->ttl);
	put_number(to, answer->count);
	put(to, answer->items, answer->count * sizeof *answer->items);
	put_number(to, answer->records.count);
	for (size_t i = 0; i < answer->records.count; i++) {
		const struct reef_record *record = &answer->records.items[i];
		put_number(to, (size_t)record->port);
		put_number(to, record->length);
		put(to, record->text, record->length);
	}
	if (error)
		put(to, error, strlen(error));
}

struct bytes {
	const char *at, *end;
};

static bool get(struct bytes *from, void *to, size_t size) {
	if (size > (size_t)(from->end - from->at))
		return false;
	if (size > 0)
		memcpy(to, from->at, size);
	from->at += size;
	return true;
}

static bool get_records(struct bytes *from, struct reef_answer *answer) {
	uint32_t count, port, length;
	if (!get(from, &count, sizeof count))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!get(from, &port, sizeof port) || !get(from, &length, sizeof length) ||
			length > (size_t)(from->end - from->at))
			return false;
		reef_answer_add_record(answer, from->at, length, (int)port);
		from->at += length;
	}
	return true;
}

/* What does not fit is left out. */
static void get_answer(struct bytes from, struct reef_answer *answer, char *error, size_t size) {
	uint32_t count = 0;
	struct reef_address address;
	*answer = (struct reef_answer){0};
	*error = '\0';
	if (!get(&from, &answer->ttl, sizeof answer->ttl) || !get(&from, &count, sizeof count))
		return;
	for (uint32_t i = 0; i < count && get(&from, &address, sizeof address); i++) {
		struct reef_address *place = address.size <= sizeof address.v6 ? reef_array_add(answer) : NULL;
		if (place)
			*place = address;
	}
	if (!get_records(&from, answer))
		return;
	size_t n = (size_t)(from.end - from.at) < size ? (size_t)(from.end - from.at) : size - 1;
	memcpy(error, from.at, n);
	error[n] = '\0';
}

/* ---- questions ---- */

uint32_t reef_recorded_names_ask(struct reef_seam *seam, const char *what, const char *name, void *ud, bool *real) {
	struct reef_text text = {0};
	put(&text, what, strlen(what));
	put(&text, " ", 1);
	put(&text, name, strlen(name));
	*real = seam->act(seam, REEF_SEAM_CALL, &(struct reef_seam_about){.bytes = text.data, .size = text.size});
	reef_text_free(&text);
	uint32_t number = (uint32_t)seam->number(seam, REEF_SEAM_STATE, *real ? atomic_fetch_add(&last_number, 1) + 1 : 0);
	if (!*real && ud)
		(void)reef_ptrmap_put(&asked, (const void *)(uintptr_t)number, ud);
	return number;
}

bool reef_recorded_names_forget(uint32_t number) {
	return number > 0 && reef_ptrmap_remove(&asked, (const void *)(uintptr_t)number) != NULL;
}

struct reef_seam *reef_recorded_names_tell(uint32_t number, const struct reef_answer *answer, const char *error) {
	struct reef_text text = {0};
	struct reef_seam *left = number > 0 ? reef_seam_leave() : NULL;
	if (left == NULL)
		return NULL;
	put_answer(&text, answer, error);
	(void)reef_seam_tell(REEF_SEAM_EVENT_NAMES,
						 &(struct reef_seam_about){.a = number, .bytes = text.data, .size = text.size});
	reef_text_free(&text);
	return left;
}

void reef_recorded_names_told(struct reef_seam *seam) {
	reef_seam_told(seam);
	reef_seam_return(seam);
}

void reef_recorded_names_now(struct reef_seam *seam, bool real, struct reef_answer *answer, const char **error) {
	static char words[256];
	struct reef_text text = {0};
	if (real)
		put_answer(&text, answer, *error);
	size_t size = text.size;
	const char *bytes = seam->block(seam, REEF_SEAM_RESULT, text.data, &size);
	if (!real) {
		get_answer((struct bytes){bytes, bytes + size}, answer, words, sizeof words);
		*error = words;
	}
	reef_text_free(&text);
}

/* ---- a replay ---- */

static void play(unsigned event, const struct reef_seam_about *about) {
	const char *bytes = about->bytes;
	struct reef_answer answer;
	char error[256];
	(void)event;
	void *ud = about->a > 0 ? reef_ptrmap_remove(&asked, (const void *)(uintptr_t)about->a) : NULL;
	if (ud == NULL)
		return;
	get_answer((struct bytes){bytes, bytes + about->size}, &answer, error, sizeof error);
	answered(ud, &answer, *error ? error : NULL);
	reef_answer_fini(&answer);
}

void reef_recorded_names_setup(reef_waiter_done done) {
	answered = done;
	reef_ptrmap_init(&asked);
	reef_seam_set_player(REEF_SEAM_EVENT_NAMES, play);
}

/* See answer.h. */
#include "answer.h"

#include <string.h>

#include "core/alloc.h"
#include "core/array.h"

void reef_answer_insert(struct reef_answer *answer, const struct sockaddr *address, size_t at) {
	if (reef_array_add(answer) == NULL)
		return;
	struct reef_address *place = &answer->items[at];
	memmove(place + 1, place, (answer->count - 1 - at) * sizeof *place);
	memset(place, 0, sizeof *place);
	if (address->sa_family == AF_INET)
		memcpy(&place->v4, address, place->size = sizeof place->v4);
	else
		memcpy(&place->v6, address, place->size = sizeof place->v6);
}

void reef_answer_add_record(struct reef_answer *answer, const char *text, size_t length, int port) {
	struct reef_record *record = reef_array_add(&answer->records);
	if (record == NULL)
		return;
	*record = (struct reef_record){.text = reef_malloc(length + 1), .length = length, .port = port};
	memcpy(record->text, text, length);
	record->text[length] = '\0';
}

void reef_answer_bound_ttl(struct reef_answer *answer, int seconds) {
	uint32_t ttl = seconds < 0 ? 0 : (uint32_t)seconds;
	if (ttl < answer->ttl)
		answer->ttl = ttl;
}

struct reef_answer reef_answer_copy(const struct reef_answer *answer, int port) {
	struct reef_answer copy = {.ttl = answer->ttl};
	for (size_t i = 0; i < answer->records.count; i++) {
		const struct reef_record *record = &answer->records.items[i];
		reef_answer_add_record(&copy, record->text, record->length, record->port);
	}
	if (!reef_array_reserve(&copy, answer->count))
		return copy;
	for (; copy.count < answer->count; copy.count++) {
		copy.items[copy.count] = answer->items[copy.count];
		reef_address_set_port(&copy.items[copy.count], port);
	}
	return copy;
}

void reef_answer_fini(struct reef_answer *answer) {
	for (size_t i = 0; i < answer->records.count; i++)
		reef_free(answer->records.items[i].text);
	reef_array_fini(&answer->records);
	reef_array_fini(answer);
}

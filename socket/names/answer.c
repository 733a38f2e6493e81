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

void reef_answer_bound_ttl(struct reef_answer *answer, int seconds) {
	uint32_t ttl = seconds < 0 ? 0 : (uint32_t)seconds;
	if (ttl < answer->ttl)
		answer->ttl = ttl;
}

void reef_answer_add_service(struct reef_answer *answer, const char *line) {
	size_t before = answer->services ? strlen(answer->services) : 0, size = strlen(line);
	char *text = reef_realloc(answer->services, before + size + 2);
	memcpy(text + before, line, size);
	memcpy(text + before + size, "\n", 2);
	answer->services = text;
}

struct reef_answer reef_answer_copy(const struct reef_answer *answer, int port) {
	struct reef_answer copy = {.ttl = answer->ttl};
	if (answer->services)
		copy.services = reef_strdup(answer->services);
	if (!reef_array_reserve(&copy, answer->count))
		return copy;
	for (; copy.count < answer->count; copy.count++) {
		copy.items[copy.count] = answer->items[copy.count];
		reef_address_set_port(&copy.items[copy.count], port);
	}
	return copy;
}

void reef_answer_fini(struct reef_answer *answer) {
	reef_array_fini(answer);
	reef_free(answer->services);
	answer->services = NULL;
}

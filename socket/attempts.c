/* See attempts.h. */
#include "attempts.h"

#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/net.h"
#include "socket/names/resolver.h"

struct reef_attempts *reef_attempts_begin(struct reef_slot *slot) {
	return slot->attempts = reef_calloc(1, sizeof *slot->attempts);
}

void reef_attempts_end(struct reef_slot *slot) {
	struct reef_attempts *a = slot->attempts;
	if (a == NULL)
		return;
	for (int i = 0; i < a->running; i++)
		reef_net->close(a->fds[i]);
	if (a->resolving)
		reef_resolver_forget((int)atomic_load(&slot->id));
	reef_array_fini(a);
	reef_free(a);
	slot->attempts = NULL;
}

int reef_attempts_take(struct reef_attempts *a, int i) {
	int fd = a->fds[i];
	a->running--;
	memmove(&a->fds[i], &a->fds[i + 1], (size_t)(a->running - i) * sizeof a->fds[0]);
	return fd;
}

void reef_attempts_push(struct reef_attempts *a, int fd) {
	if (a->running == REEF_ATTEMPTS_MAX)
		reef_net->close(reef_attempts_take(a, 0));
	a->fds[a->running++] = fd;
}

/* RFC 8305, 4: families take turns, in the order that the resolver gave within each; `family` comes first. */
static void interleave(struct reef_address *list, size_t n, int family) {
	struct reef_address *sorted = reef_malloc((n + 1) * sizeof *sorted);
	size_t i = 0, j = 0, done = 0;
	while (done < n) {
		while (i < n && list[i].any.sa_family != family)
			i++;
		if (i < n)
			sorted[done++] = list[i++];
		while (j < n && list[j].any.sa_family == family)
			j++;
		if (j < n)
			sorted[done++] = list[j++];
	}
	memcpy(list, sorted, n * sizeof *list);
	reef_free(sorted);
}

void reef_attempts_add(struct reef_attempts *a, const struct reef_address *addresses, size_t n) {
	if (!reef_array_reserve(a, n))
		return;
	memcpy(a->items + a->count, addresses, n * sizeof *addresses);
	a->count += n;
	int last = a->next > 0 ? a->items[a->next - 1].any.sa_family : AF_INET;
	interleave(a->items + a->next, a->count - a->next, last == AF_INET6 ? AF_INET : AF_INET6);
}

/* For unit tests of the engine's parts: cmocka, and services that no worker runs. */
#ifndef REEF_TEST_ENGINE_H
#define REEF_TEST_ENGINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/handle.h"
#include "core/mailbox.h"
#include "core/service_private.h"

/* A reachable service whose messages the test takes out itself with reef_mailbox_fetch and reef_mailbox_pop. */
static inline struct reef_service *test_service_new(void) {
	struct reef_service *service = reef_aligned_alloc(_Alignof(struct reef_service), sizeof *service);
	memset(service, 0, sizeof *service);
	atomic_init(&service->inbox, NULL);
	service->queue_tail = &service->queue;
	service->overload_limit = SIZE_MAX / 2;
	reef_handle_add(service);
	return service;
}

static inline struct reef_message *test_service_pop(struct reef_service *service) {
	return service->queue || reef_mailbox_fetch(service) ? reef_mailbox_pop(service) : NULL;
}

static inline void test_service_delete(struct reef_service *service) {
	struct reef_message *m;
	while ((m = test_service_pop(service)) != NULL)
		reef_message_free(m);
	reef_handle_remove(service);
	reef_free(service);
}

/* A small generator of test data: the same seed gives the same numbers everywhere. */
static inline uint64_t test_random(uint64_t *state) {
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif

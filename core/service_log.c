/* Thresholds of services: see service_log.h. Under the lock a service gets its level, or all do: so whoever is launched
 * meanwhile has either been found, or sees the new rule. */
#include "service_log.h"

#include <pthread.h>
#include <stdio.h>

#include "alloc.h"
#include "handle.h"
#include "service.h"
#include "service_private.h"
#include "slice.h"

#define LONGEST_NAME 128

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool reef_service_logs(const struct reef_service *service, enum reef_log_level level) {
	return level >= atomic_load_explicit(&service->log_level, memory_order_relaxed);
}

const char *reef_service_log_name(uint32_t source, size_t *size) {
	const struct reef_service *service = reef_slice_service();
	return service && service->handle == source ? reef_service_name(service->description, size) : NULL;
}

static void take_level(struct reef_service *service) {
	size_t size;
	const char *name = reef_service_name(service->description, &size);
	char word[LONGEST_NAME];
	snprintf(word, sizeof word, "%.*s", (int)size, name);
	atomic_store(&service->log_level, (unsigned char)reef_log_threshold_of(word));
}

void reef_service_log_begin(struct reef_service *service) {
	pthread_mutex_lock(&lock);
	take_level(service);
	pthread_mutex_unlock(&lock);
}

bool reef_service_log_set(const char *pattern, enum reef_log_level level) {
	pthread_mutex_lock(&lock);
	bool ok = reef_log_threshold_set(pattern, level);
	size_t n = reef_handle_list(NULL, 0) + 64;
	uint32_t *handles = reef_malloc(n * sizeof *handles);
	size_t found = reef_handle_list(handles, n);
	for (size_t i = 0; i < found && i < n; i++) {
		struct reef_service *service = reef_handle_find(handles[i]);
		if (service)
			take_level(service);
	}
	reef_free(handles);
	pthread_mutex_unlock(&lock);
	return ok;
}

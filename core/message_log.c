/* Per-service message logs: see message_log.h.
 *
 * The file is opened and closed by whoever asks and written by the worker; closing goes through the reclaimer, so that a
 * worker in the middle of a line is not disturbed.
 */
#include "message_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "clock.h"
#include "env.h"
#include "epoch.h"
#include "handle.h"
#include "log.h"
#include "service_private.h"

void reef_message_log_write(FILE *file, const struct reef_message *m) {
	const unsigned char *bytes = m->data;
	fprintf(file, ":%08x %d %d %" PRIu64 " ", m->source, m->type, m->session, reef_now_cs());
	for (size_t i = 0; i < m->size; i++)
		fprintf(file, "%02x", bytes[i]);
	putc('\n', file);
	fflush(file);
}

static void close_file(void *p) {
	FILE *file = p;
	fprintf(file, "close time: %" PRIu64 "\n", reef_now_cs());
	fclose(file);
}

void reef_message_log_close(struct reef_service *service) {
	FILE *file = atomic_exchange(&service->message_log, NULL);
	if (file)
		reef_epoch_retire(file, close_file);
}

bool reef_message_log_set(uint32_t handle, bool on) {
	struct reef_service *service = reef_handle_find(handle);
	const char *directory = reef_env_get("logpath");
	if (service == NULL)
		return false;
	if (!on) {
		if (atomic_load(&service->message_log))
			reef_log(handle, "Close log file :%08x", handle);
		reef_message_log_close(service);
		return true;
	}
	if (directory == NULL)
		return false;
	if (atomic_load(&service->message_log))
		return true;
	char path[4096];
	snprintf(path, sizeof path, "%s/%08x.log", directory, handle);
	FILE *file = fopen(path, "a");
	if (file == NULL) {
		reef_log(handle, "Open log file %s fail", path);
		return false;
	}
	time_t now = time(NULL);
	char text[32];
	ctime_r(&now, text);
	fprintf(file, "open time: %" PRIu64 " %s", reef_now_cs(), text);
	fflush(file);
	FILE *none = NULL;
	if (!atomic_compare_exchange_strong(&service->message_log, &none, file))
		fclose(file);
	else
		reef_log(handle, "Open log file %s", path);
	return true;
}

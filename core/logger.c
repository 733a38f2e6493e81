/* The module `logger`: the service that writes log lines.
 *
 * Its argument is the path of the file to append to; without one, lines go to stdout. A REEF_PTYPE_SYSTEM message (the
 * runtime sends it on SIGHUP) reopens the file. Lines of one slice are written together.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "env.h"
#include "logger.h"
#include "scheduler.h"
#include "service.h"
#include "timer.h"

struct logger {
	FILE *file;
	char *path; /* NULL: a standard stream */
	struct reef_deferred flush;
	bool flush_queued;
};

static void flush(struct reef_deferred *deferred) {
	struct logger *logger = (struct logger *)((char *)deferred - offsetof(struct logger, flush));
	logger->flush_queued = false;
	fflush(logger->file);
}

static void write_time(struct logger *logger) {
	uint64_t cs = reef_now_cs();
	time_t second = (time_t)(reef_start_time() + cs / 100);
	struct tm local;
	char text[32];
	localtime_r(&second, &local);
	strftime(text, sizeof text, "%d/%m/%y %H:%M:%S", &local);
	fprintf(logger->file, "%s.%02d ", text, (int)(cs % 100));
}

static void on_message(struct reef_service *service, void *ud, struct reef_message *m) {
	(void)service;
	struct logger *logger = ud;
	if (m->type == REEF_PTYPE_SYSTEM) {
		FILE *file = logger->path ? fopen(logger->path, "a") : NULL;
		if (file) {
			fclose(logger->file);
			logger->file = file;
		} else if (logger->path) {
			write_time(logger);
			fprintf(logger->file, "[:00000000] error: the log file %s cannot be opened again: %s\n", logger->path,
					strerror(errno));
		}
	} else if (m->type == REEF_PTYPE_TEXT) {
		if (logger->path)
			write_time(logger);
		fprintf(logger->file, "[:%08x] ", m->source);
		fwrite(m->data, 1, m->size, logger->file);
		putc('\n', logger->file);
		if (!logger->flush_queued) {
			logger->flush_queued = true;
			if (!reef_slice_defer(&logger->flush))
				flush(&logger->flush);
		}
	}
}

static void logger_release(struct reef_service *service) {
	struct logger *logger = reef_service_instance(service);
	fflush(logger->file);
	if (logger->file != stdout)
		fclose(logger->file);
	reef_free(logger->path);
	reef_free(logger);
}

static int logger_init(struct reef_service *service, const char *args) {
	struct logger *logger = reef_calloc(1, sizeof *logger);
	reef_service_set_instance(service, logger);
	const char *stream = reef_env_get("reef_log_stream");
	logger->flush.run = flush;
	/* A stream of our own on stderr: the standard one writes every piece of a line by itself. */
	if (stream && strcmp(stream, "stderr") == 0)
		logger->file = fdopen(dup(STDERR_FILENO), "a");
	if (logger->file == NULL)
		logger->file = stdout;
	if (*args) {
		FILE *file = fopen(args, "a");
		if (file == NULL) {
			fprintf(stderr, "reef: cannot open the log file %s: %s\n", args, strerror(errno));
			return 1;
		}
		if (logger->file != stdout)
			fclose(logger->file);
		logger->file = file;
		logger->path = reef_strdup(args);
	}
	/* The file with the time zone is read now: later there may be no descriptor for it. */
	tzset();
	reef_service_set_callback(service, on_message, logger);
	return 0;
}

const struct reef_module reef_logger_module = {.name = "logger", .init = logger_init, .release = logger_release};

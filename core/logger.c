/* The module `logger`: the service that is the log of the process unless the configuration names another.
 *
 * Its argument is the path of the file to append to; without one, lines go to stdout. Log lines do not pass through it
 * (log.h): it opens the writer, which writes what is sent to the service as text, too, and a REEF_PTYPE_SYSTEM message
 * (the runtime sends it on SIGHUP) makes it open the file anew.
 */
#include "logger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "env.h"
#include "log.h"
#include "log_writer.h"
#include "service.h"

static void put_text(struct reef_log_writer *writer, uint32_t source, const char *text, size_t size) {
	size_t label;
	struct reef_log_line line = {.source = source, .level = reef_log_level_of(text, size, &label), .head = ""};
	reef_log_writer_line(writer, &line, text, size);
}

static void logger_message(struct reef_service *service, void *ud, struct reef_message *m) {
	(void)service;
	struct reef_log_writer *writer = ud;
	if (m->type == REEF_PTYPE_SYSTEM)
		reef_log_writer_reopen(writer);
	else if (m->type == REEF_PTYPE_TEXT)
		put_text(writer, m->source, m->data ? m->data : "", m->size);
}

static void logger_release(struct reef_service *service) {
	struct reef_log_writer *writer = reef_service_instance(service);
	if (writer)
		reef_log_writer_close(writer);
}

static int logger_init(struct reef_service *service, const char *args) {
	const char *stream = reef_env_get("reef_log_stream"), *path = *args ? args : NULL;
	bool to_stderr = stream && strcmp(stream, "stderr") == 0;
	struct reef_log_writer *writer = reef_log_writer_open(path, to_stderr ? STDERR_FILENO : STDOUT_FILENO);
	if (writer == NULL) {
		reef_clean_complain("cannot open the log %s: %s", path ? path : "stream", strerror(errno));
		return 1;
	}
	reef_service_set_instance(service, writer);
	reef_service_set_callback(service, logger_message, writer);
	if (reef_log_service() == 0)
		reef_log_writer_serve_process(writer);
	return 0;
}

const struct reef_module reef_logger_module = {.name = "logger", .init = logger_init, .release = logger_release};

/* See head.h. */
#include "head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/env.h"
#include "core/seam.h"
#include "sharetable/overlay/seed.h"

#define SETTING "env."

/* ---- writing ---- */

static void put(struct reef_record_writer *writer, const char *key, const char *value) {
	if (value)
		reef_record_put_pair(writer, REEF_ITEM_HEAD, key, strlen(key), value, strnlen(value, REEF_RECORD_TEXT_MAX - 1));
}

static void put_number(struct reef_record_writer *writer, const char *key, uint64_t value) {
	char text[32];
	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	put(writer, key, text);
}

void reef_record_put_head(struct reef_record_writer *writer, const char *arguments, uint32_t handle) {
	static const char *const settings[] = {"lua_path", "lua_cpath", "luaservice", "lualoader",
										   "preload",  "snax",      "log_level"};
	struct reef_clock_start start = reef_clock_start();
	struct timespec now;
	char folder[4096], text[32];
	clock_gettime(CLOCK_REALTIME, &now);
	struct reef_seam *left = reef_seam_leave();
	uint64_t began_ns = reef_coarse_ns(); /* as the messages have it */
	reef_seam_return(left);
	put(writer, "version", REEF_VERSION);
	put(writer, "arguments", arguments);
	put(writer, "folder", getcwd(folder, sizeof folder));
	put_number(writer, "handle", handle);
	put_number(writer, "seed", reef_seed());
	put_number(writer, "start_ns", start.ns);
	put_number(writer, "start_cs", start.cs);
	put_number(writer, "start_second", start.second);
	put_number(writer, "grain_ns", start.grain_ns);
	put_number(writer, "began", (uint64_t)now.tv_sec);
	put_number(writer, "began_ns", began_ns);
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		snprintf(text, sizeof text, SETTING "%s", settings[i]);
		put(writer, text, reef_env_get(settings[i]));
	}
	if (writer->ring_ns > 0) {
		snprintf(text, sizeof text, "%0*zu", REEF_RECORD_RING_DIGITS, writer->part_size);
		put(writer, "ring", text);
	}
	reef_record_put_empty(writer, REEF_ITEM_READY, false);
	reef_record_writer_ready(writer);
}

/* ---- reading ---- */

static void copy(char *to, size_t room, const char *bytes, size_t size) {
	size = size < room ? size : room - 1;
	memcpy(to, bytes, size);
	to[size] = '\0';
}

static void take(struct reef_record_head *head, const char *key, const char *value) {
	uint64_t number = strtoull(value, NULL, 10);
	if (strcmp(key, "arguments") == 0)
		copy(head->arguments, sizeof head->arguments, value, strlen(value));
	else if (strcmp(key, "folder") == 0)
		copy(head->folder, sizeof head->folder, value, strlen(value));
	else if (strcmp(key, "version") == 0)
		copy(head->version, sizeof head->version, value, strlen(value));
	else if (strcmp(key, "handle") == 0)
		head->handle = number;
	else if (strcmp(key, "seed") == 0)
		head->seed = number;
	else if (strcmp(key, "start_ns") == 0)
		head->start.ns = number;
	else if (strcmp(key, "start_cs") == 0)
		head->start.cs = number;
	else if (strcmp(key, "grain_ns") == 0)
		head->start.grain_ns = number;
	else if (strcmp(key, "start_second") == 0)
		head->start.second = (uint32_t)number;
	else if (strcmp(key, "began_ns") == 0)
		head->began_ns = number;
}

const char *reef_record_read_head(struct reef_record_reader *reader, struct reef_record_head *head,
								  void (*setting)(const char *key, const char *value)) {
	struct reef_item item = {0};
	*head = (struct reef_record_head){0};
	while (reef_record_read(reader, &item) && item.kind == REEF_ITEM_HEAD) {
		char key[64], value[REEF_RECORD_TEXT_MAX];
		copy(key, sizeof key, item.bytes, item.size);
		copy(value, sizeof value, item.value, item.value_size);
		if (strncmp(key, SETTING, strlen(SETTING)) == 0)
			setting(key + strlen(SETTING), value);
		else
			take(head, key, value);
	}
	if (*reader->error)
		return reader->error;
	if (head->began_ns == 0)
		head->began_ns = head->start.ns;
	bool whole = item.kind == REEF_ITEM_READY && *head->arguments && head->handle > 0;
	return whole ? NULL : "the head of the record is not whole";
}

/* Stacks as text: see stack_text.h. The names of functions of C are kept as long as the process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include "stack_text.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/host/own_files.h"
#include "core/ptrmap.h"
#include "sharetable/overlay/frames.h"

enum { MOST_FRAMES = 128 };

static struct reef_ptrmap names;

/* What would be read as the end of a function, or of a line, is a space. */
static void add_bytes(struct reef_stack_text *text, const char *bytes, size_t n) {
	size_t room = sizeof text->bytes - text->size;
	if (n > room)
		n = room;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];
		text->bytes[text->size++] = c < ' ' || c == 0x7f || c == ';' ? ' ' : (char)c;
	}
}

static void add(struct reef_stack_text *text, const char *word) {
	add_bytes(text, word, strlen(word));
}

static void begin_frame(struct reef_stack_text *text) {
	if (text->size < sizeof text->bytes)
		text->bytes[text->size++] = ';';
}

void reef_stack_text_begin(struct reef_stack_text *text, const char *label) {
	text->size = 0;
	add(text, label);
}

/* Our own files are named from their directory on. */
static const char *short_source(const char *source) {
	if (*source == '@')
		source++;
	if (reef_own_source(source))
		return source + strlen(reef_own_directory()) + 1;
	return strncmp(source, "./", 2) == 0 ? source + 2 : source;
}

static void add_lua(struct reef_stack_text *text, const lua_Debug *ar, bool lines) {
	char line[24];
	bool is_file = *ar->source == '@';
	if (strcmp(ar->what, "main") == 0)
		add(text, "main chunk ");
	else if (ar->name) {
		add(text, ar->name);
		add(text, " ");
	}
	add(text, "(");
	add(text, is_file ? short_source(ar->source) : ar->short_src);
	snprintf(line, sizeof line, ":%d)", lines ? ar->currentline : ar->linedefined);
	add(text, line);
}

static void add_c(struct reef_stack_text *text, const char *name) {
	add(text, name);
	add(text, " [C]");
}

static const char *name_of(void (*function)(void)) {
	return function ? reef_ptrmap_get(&names, (void *)function) : NULL;
}

static size_t index_of(struct CallInfo *const *frames, size_t n, const void *frame) {
	for (size_t i = 0; i < n; i++)
		if (frames[i] == frame)
			return i;
	return n;
}

bool reef_stack_text_frames(struct reef_stack_text *text, lua_State *L, const void *frame, bool lines) {
	struct CallInfo *frames[MOST_FRAMES];
	size_t skipped, n = reef_frames(L, frames, MOST_FRAMES, &skipped);
	size_t found = index_of(frames, n, frame), inner = found < n ? found : 0;
	for (size_t i = n; i-- > inner;) {
		lua_Debug ar = {.i_ci = frames[i]};
		lua_CFunction function = reef_frame_function(frames[i]);
		lua_getinfo(L, function ? "n" : "Sln", &ar);
		if (skipped > 0 && i == MOST_FRAMES / 2 - 1) {
			begin_frame(text);
			add(text, "(...)");
		}
		begin_frame(text);
		if (!function) {
			add_lua(text, &ar, lines);
			continue;
		}
		const char *name = name_of((void (*)(void))function);
		add_c(text, name ? name : ar.name ? ar.name : "?");
	}
	return found < n || n == 0 || reef_frame_function(frames[0]);
}

bool reef_stack_text_function(struct reef_stack_text *text, void (*function)(void)) {
	const char *name = name_of(function);
	if (name) {
		begin_frame(text);
		add_c(text, name);
	}
	return name != NULL;
}

void reef_stack_text_returned(struct reef_stack_text *text, lua_State *L, void (*function)(void)) {
	if (reef_stack_text_function(text, function))
		return;
	struct CallInfo *frames[2];
	size_t skipped;
	const char *name = reef_frames(L, frames, 2, &skipped) > 0 ? reef_frame_last_call(L, frames[0]) : NULL;
	begin_frame(text);
	add_c(text, name ? name : "?");
}

void reef_stack_text_address(struct reef_stack_text *text, void *address) {
	Dl_info info;
	begin_frame(text);
	if (!address) {
		add(text, "[outside of Lua]"); /* what the engine does for the service */
	} else if (dladdr(address, &info) == 0) {
		add(text, "[native code]");
	} else if (info.dli_sname) {
		add(text, info.dli_sname);
		add(text, " [native]");
	} else {
		const char *slash = info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
		add(text, "[");
		add(text, slash ? slash + 1 : info.dli_fname ? info.dli_fname : "?");
		add(text, "]");
	}
}

void reef_stack_text_name(void (*function)(void), const char *name) {
	if (name_of(function))
		return;
	char *copy = reef_strdup(name);
	if (!reef_ptrmap_put(&names, (void *)function, copy))
		reef_free(copy);
}

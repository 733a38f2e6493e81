/* See sources.h. */
#include "sources.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/array.h"
#include "core/host/own_files.h"
#include "core/text.h"
#include "cursor.h"
#include "recording.h"
#include "replaying.h"

/* False: it cannot be read, or is none in Lua. */
static bool read_source(const char *name, struct reef_text *text) {
	char part[16384];
	size_t n;
	FILE *file = fopen(name, "rb");
	if (file == NULL)
		return false;
	while ((n = fread(part, 1, sizeof part, file)) > 0)
		reef_text_add(text, part, n);
	bool whole = !ferror(file) && !text->failed;
	fclose(file);
	return whole && !(text->size > 0 && *text->data == *LUA_SIGNATURE);
}

/* As luaL_loadfilex has it: without a byte order mark, and without a first line that begins with #. Leaves out one value
 * below, which names the chunk. */
static int load_source(lua_State *L, const char *bytes, size_t size, const char *mode) {
	static const char mark[] = "\xEF\xBB\xBF";
	const char *end = bytes + size;
	if (size >= sizeof mark - 1 && memcmp(bytes, mark, sizeof mark - 1) == 0)
		bytes += sizeof mark - 1;
	if (bytes < end && *bytes == '#') {
		bytes = memchr(bytes, '\n', (size_t)(end - bytes));
		bytes = bytes ? bytes : end;
	}
	int status = luaL_loadbufferx(L, bytes, (size_t)(end - bytes), lua_tostring(L, -1), mode);
	lua_remove(L, -2);
	return status;
}

/* ---- recording ---- */

/* It is read anew: what others have loaded before may be older than the file. */
int reef_sources_record(struct reef_host_seam *seam, lua_State *L, const char *name, const char *mode,
						reef_host_load *load) {
	struct reef_recording *r = (struct reef_recording *)seam;
	struct reef_text text = {0};
	int status;
	lua_pushfstring(L, "@%s", name);
	if (!reef_own_source(name) && read_source(name, &text)) {
		reef_record_put_pair(&r->writer, REEF_ITEM_FILE, name, strlen(name), text.data, text.size);
		status = load_source(L, text.data, text.size, mode);
	} else {
		lua_pop(L, 1);
		status = load(L, name, mode);
	}
	reef_text_free(&text);
	return status;
}

/* ---- what the record has ---- */

static struct REEF_ARRAY(struct reef_item) files;
static bool looked;

static void find_files(void) {
	struct reef_record_reader reader = reef_replaying.beginning;
	struct reef_item item;
	if (looked)
		return;
	looked = true;
	while (reef_record_read(&reader, &item)) {
		struct reef_item *place = item.kind == REEF_ITEM_FILE ? reef_array_add(&files) : NULL;
		if (place)
			*place = item;
	}
	reef_replaying.has_files = files.count > 0;
}

/* The first one from `at` on; NULL: there is none. */
static const struct reef_item *find(const char *name, size_t *at) {
	size_t size = strlen(name);
	find_files();
	while (*at < files.count) {
		const struct reef_item *item = &files.items[(*at)++];
		if (item->size == size && memcmp(item->bytes, name, size) == 0)
			return item;
	}
	return NULL;
}

bool reef_sources_has(const char *name) {
	size_t at = 0;
	return find(name, &at) != NULL;
}

/* Has it the same text now? */
static void compare(const char *name) {
	struct reef_text text = {0};
	const struct reef_item *item;
	size_t at = 0;
	bool readable = read_source(name, &text), known = false, same = false;
	while (readable && !same && (item = find(name, &at)) != NULL) {
		known = true;
		same = item->value_size == text.size && (text.size == 0 || memcmp(item->value, text.data, text.size) == 0);
	}
	reef_text_free(&text);
	if (same || !readable)
		return;
	reef_replaying.code_changed = true;
	if (known)
		reef_replay_say("%s is not as it was recorded", name);
}

static const struct reef_item *missing(const char *name) {
	static bool said;
	size_t at = 0;
	const struct reef_item *item = find(name, &at);
	if (item && !said)
		reef_replay_say("%s is not here: it comes from the record, and so does what else is not", name);
	said |= item != NULL;
	return item;
}

/* ---- replaying ---- */

/* The file of the same name that is to be loaded in the place of that one. */
static const char *replaced(const char *name) {
	const char *with = reef_replaying.options.with;
	if (with == NULL)
		return NULL;
	const char *last = strrchr(name, '/'), *own = strrchr(with, '/');
	return strcmp(last ? last + 1 : name, own ? own + 1 : with) == 0 ? with : NULL;
}

int reef_sources_replay(struct reef_host_seam *seam, lua_State *L, const char *name, const char *mode,
						reef_host_load *load) {
	(void)seam;
	const char *with = replaced(name);
	const struct reef_item *item = NULL;
	reef_replaying.with_used |= with != NULL;
	reef_replaying.code_changed |= with != NULL;
	if (with || reef_own_source(name))
		return load(L, with ? with : name, mode);
	if (reef_replaying.options.recorded)
		item = reef_replay_take_file(name);
	else if (access(name, R_OK) != 0)
		item = missing(name);
	else
		compare(name);
	if (item == NULL)
		return load(L, name, mode);
	reef_replaying.has_files = true;
	lua_pushfstring(L, "@%s", name);
	return load_source(L, item->value, item->value_size, mode);
}

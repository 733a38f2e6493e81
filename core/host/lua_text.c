/* What Lua has of the cleaning of text (clean.h). */
#include "lua_text.h"

#include <lauxlib.h>

#include "core/clean.h"
#include "core/redact.h"
#include "core/text.h"

static int push_copy(lua_State *L) {
	const struct reef_text *text = lua_touserdata(L, 1);
	lua_pushlstring(L, text->data ? text->data : "", text->size);
	return 1;
}

/* Lua's own copy may fail: ours is freed in any case. */
static int push_changed(lua_State *L, void (*add)(struct reef_text *, const char *, size_t)) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	luaL_checkstack(L, 2, NULL);
	struct reef_text changed = {0};
	add(&changed, text, size);
	if (changed.failed) {
		reef_text_free(&changed);
		return luaL_error(L, "not enough memory");
	}
	lua_pushcfunction(L, push_copy);
	lua_pushlightuserdata(L, &changed);
	int status = lua_pcall(L, 1, 1, 0);
	reef_text_free(&changed);
	return status == LUA_OK ? 1 : lua_error(L);
}

/* printable(text) -> UTF-8 without control characters but newline and tab */
static int text_printable(lua_State *L) {
	return push_changed(L, reef_text_add_printable);
}

/* redacted(text) -> with *** for what may be a password */
static int text_redacted(lua_State *L) {
	return push_changed(L, reef_redact_add);
}

/* clean(text) -> both */
static int text_clean(lua_State *L) {
	return push_changed(L, reef_clean_add);
}

/* names_secret(word) -> is it the name of something secret? */
static int text_names_secret(lua_State *L) {
	size_t size;
	const char *word = luaL_checklstring(L, 1, &size);
	lua_pushboolean(L, reef_redact_names_secret(word, size));
	return 1;
}

int reef_open_text(lua_State *L) {
	static const luaL_Reg functions[] = {{"printable", text_printable},
										 {"redacted", text_redacted},
										 {"clean", text_clean},
										 {"names_secret", text_names_secret},
										 {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}

/* The Lua module `reef.editline`: lines that are edited, by libedit. It has one terminal, and so one state for the
 * process; one service uses it. Between two keys nothing waits here. Built without libedit, `available` is false. */
#include "lua_editline.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#ifdef REEF_LIBEDIT
#include <editline/readline.h>
#include <poll.h>
#include <unistd.h>

static struct {
	lua_State *L;     /* while a key is taken: who asks; argument 1 is its function that completes */
	lua_Integer next; /* of the words that complete one */
	bool installed, over;
	char *line; /* from libedit, ours to free; NULL at the end of what is typed */
} state;

static void put_away(void) {
	if (state.installed)
		rl_callback_handler_remove();
	state.installed = false;
}

static void take_line(char *line) {
	state.over = true;
	state.line = line;
	put_away();
}

/* The next word of the list on top of the stack. */
static char *next_word(const char *word, int again) {
	(void)word;
	if (!again)
		state.next = 1;
	if (!lua_istable(state.L, -1))
		return NULL;
	lua_rawgeti(state.L, -1, state.next++);
	const char *text = lua_type(state.L, -1) == LUA_TSTRING ? lua_tostring(state.L, -1) : NULL;
	char *copy = text ? strdup(text) : NULL;
	lua_pop(state.L, 1);
	return copy;
}

/* complete(word, what stands before it) -> list of words; what it raises is no list. */
static char **complete(const char *word, int start, int end) {
	(void)end;
	rl_attempted_completion_over = 1; /* no names of files */
	lua_pushvalue(state.L, 1);
	lua_pushstring(state.L, word);
	lua_pushlstring(state.L, rl_line_buffer, (size_t)start);
	char **matches = NULL;
	if (lua_pcall(state.L, 2, 1, 0) == LUA_OK)
		matches = rl_completion_matches(word, next_word);
	lua_pop(state.L, 1);
	return matches;
}

/* Initialising libedit once more would lose the history. */
static void initialize(void) {
	static bool done;
	if (done)
		return;
	done = true;
	atexit(put_away);
	rl_readline_name = "reef";
	rl_initialize();
	using_history();
	rl_attempted_completion_function = complete;
	rl_completion_append_character = '\0';
	rl_completer_word_break_characters = (char *)(uintptr_t) " \t\n";
}

/* start(prompt [, text]): shows the prompt, and text behind it, that may be edited. */
static int editline_start(lua_State *L) {
	const char *prompt = luaL_checkstring(L, 1), *text = luaL_optstring(L, 2, "");
	initialize();
	state.over = false;
	state.installed = true;
	rl_callback_handler_install(prompt, take_line);
	if (*text) {
		rl_insert_text(text);
		rl_forced_update_display();
	}
	return 0;
}

/* A terminal that is gone is always ready, and libedit does not call that an end. */
static bool has_hung_up(void) {
	struct pollfd terminal = {.fd = STDIN_FILENO, .events = POLLIN};
	return poll(&terminal, 1, 0) > 0 && (terminal.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* feed(complete) -> nothing while the line is not over, then the line, or false at the end of what is typed. Waits for a
 * key if none has come: see reef.fd. */
static int editline_feed(lua_State *L) {
	luaL_checktype(L, 1, LUA_TFUNCTION);
	if (!state.installed)
		return luaL_error(L, "no line has been started");
	lua_settop(L, 1);
	if (has_hung_up()) {
		put_away();
		lua_pushboolean(L, false);
		return 1;
	}
	state.L = L;
	rl_callback_read_char();
	state.L = NULL;
	if (!state.over)
		return 0;
	if (state.line == NULL) {
		lua_pushboolean(L, false);
		return 1;
	}
	lua_pushstring(L, state.line);
	free(state.line);
	state.line = NULL;
	return 1;
}

/* pause() -> what stands in the line: the terminal is as it was, for others to write on; start goes on. */
static int editline_pause(lua_State *L) {
	lua_pushstring(L, state.installed && rl_line_buffer ? rl_line_buffer : "");
	put_away();
	return 1;
}

/* remember(line): the line is in the history from now on. */
static int editline_remember(lua_State *L) {
	add_history(luaL_checkstring(L, 1));
	return 0;
}

/* load(path), save(path, most): the history; that it cannot be read or written is not told. */
static int editline_load(lua_State *L) {
	initialize();
	lua_pushboolean(L, read_history(luaL_checkstring(L, 1)) == 0);
	return 1;
}

static int editline_save(lua_State *L) {
	stifle_history((int)luaL_checkinteger(L, 2));
	lua_pushboolean(L, write_history(luaL_checkstring(L, 1)) == 0);
	return 1;
}
#endif

int reef_open_editline(lua_State *L) {
	static const luaL_Reg functions[] = {
#ifdef REEF_LIBEDIT
			{"start", editline_start},
			{"feed", editline_feed},
			{"pause", editline_pause},
			{"remember", editline_remember},
			{"load", editline_load},
			{"save", editline_save},
#endif
			{NULL, NULL},
	};
	luaL_newlib(L, functions);
	lua_pushboolean(L, sizeof functions / sizeof functions[0] > 1);
	lua_setfield(L, -2, "available");
	return 1;
}

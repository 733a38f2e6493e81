/* See load_watch.h. */
#include "load_watch.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/host/host.h"
#include "core/host/name_check.h"
#include "core/message.h"
#include "core/poller.h"
#include "core/send.h"
#include "core/service.h"
#include "core/slice.h"

#define EVENTS                                                                                                         \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF |   \
	 IN_MOVE_SELF | IN_ONLYDIR)

static const char watch_type[] = "reef.config.watch";
static const char word[] = "changed";

/* User values: what is wanted of each number; the same before `begin`, until `finish`; files that are being written. */
struct watch {
	int fd; /* -1: closed */
};

/* On whichever thread polls. `id` is the handle of the service. */
static void watch_ready(uint32_t id, uint32_t events) {
	(void)events;
	reef_send_copy(id, id, REEF_PTYPE_TEXT, 0, word, sizeof word - 1);
}

static int watch_close(lua_State *L) {
	struct watch *watch = luaL_checkudata(L, 1, watch_type);
	if (watch->fd >= 0) {
		reef_poller_remove(watch->fd);
		close(watch->fd);
	}
	watch->fd = -1;
	return 0;
}

static struct watch *check_open(lua_State *L) {
	struct watch *watch = luaL_checkudata(L, 1, watch_type);
	luaL_argcheck(L, watch->fd >= 0, 1, "this watch is closed");
	return watch;
}

static int watch_failed(lua_State *L, const char *what, int error) {
	lua_pushnil(L);
	if (error == EMFILE || error == ENOSPC)
		lua_pushfstring(L, "%s: %s (see /proc/sys/fs/inotify)", what, strerror(error));
	else
		lua_pushfstring(L, "%s: %s", what, strerror(error));
	return 2;
}

/* Pushes the table that says of each number what is wanted of it: true for all, or a table of names. */
static void push_wanted(lua_State *L, int watch) {
	lua_getiuservalue(L, watch, 1);
}

/* watch:add(directory[, name]) -> its number, the same one if it is watched already; or nil and why not. With a name only
 * what happens to that is of interest. */
static int watch_add(lua_State *L) {
	const struct watch *watch = check_open(L);
	const char *path = reef_check_name(L, 2);
	lua_settop(L, 3);
	int number = inotify_add_watch(watch->fd, path, EVENTS);
	if (number < 0)
		return watch_failed(L, path, errno);
	push_wanted(L, 1);
	if (lua_isnil(L, 3)) {
		lua_pushboolean(L, 1);
		lua_rawseti(L, 4, number);
	} else {
		int known = lua_rawgeti(L, 4, number);
		if (known == LUA_TNIL) {
			lua_newtable(L);
			lua_pushvalue(L, -1);
			lua_rawseti(L, 4, number);
			lua_replace(L, 5);
		}
		if (lua_istable(L, 5)) {
			lua_pushvalue(L, 3);
			lua_pushboolean(L, 1);
			lua_rawset(L, 5);
		}
	}
	lua_pushinteger(L, number);
	return 1;
}

/* watch:begin(): what is not added before `finish` is not watched any more. */
static int watch_begin(lua_State *L) {
	check_open(L);
	push_wanted(L, 1);
	lua_setiuservalue(L, 1, 2);
	lua_newtable(L);
	lua_setiuservalue(L, 1, 1);
	return 0;
}

/* watch:finish() */
static int watch_finish(lua_State *L) {
	const struct watch *watch = check_open(L);
	lua_settop(L, 1);
	push_wanted(L, 1);
	if (lua_getiuservalue(L, 1, 2) != LUA_TTABLE)
		return 0;
	lua_pushnil(L);
	while (lua_next(L, 3)) {
		lua_pop(L, 1);
		int number = (int)lua_tointeger(L, -1);
		if (lua_rawgeti(L, 2, number) == LUA_TNIL)
			(void)inotify_rm_watch(watch->fd, number);
		lua_pop(L, 1);
	}
	lua_pushnil(L);
	lua_setiuservalue(L, 1, 2);
	return 0;
}

/* Is what happened of interest? The tables of what is wanted are at 2, and before `finish` at 3 those of before. */
static bool is_wanted(lua_State *L, const struct inotify_event *event) {
	for (int table = 2; table <= 3; table++) {
		int top = lua_gettop(L);
		if (!lua_istable(L, table))
			continue;
		int type = lua_rawgeti(L, table, event->wd);
		bool wanted = type == LUA_TBOOLEAN;
		if (type == LUA_TTABLE && event->len > 0) {
			lua_pushstring(L, event->name);
			wanted = lua_rawget(L, -2) != LUA_TNIL;
		}
		/* The directory itself went or changed. */
		wanted = wanted || (type == LUA_TTABLE && event->len == 0);
		lua_settop(L, top);
		if (wanted)
			return true;
	}
	return false;
}

static bool is_data(const char *name) {
	static const char *const extensions[] = {".csv", ".json", ".toml", ".lua"};
	const char *extension = name[0] == '.' ? NULL : strrchr(name, '.');
	for (size_t i = 0; extension != NULL && i < sizeof extensions / sizeof *extensions; i++)
		if (strcmp(extension, extensions[i]) == 0)
			return true;
	return false;
}

/* Notes in the table at 4 which files of data are being written: changed, and not closed since. */
static void note_writer(lua_State *L, const struct inotify_event *event) {
	if (event->len == 0 || !is_data(event->name))
		return;
	lua_pushfstring(L, "%d/%s", event->wd, event->name);
	if (event->mask & IN_MODIFY)
		lua_pushboolean(L, 1);
	else if (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE))
		lua_pushnil(L);
	else
		return;
	lua_rawset(L, 4);
}

/* watch:read() -> how many events of interest there were; whether some were lost; whether somebody has changed a file of
 * data and still has it open for writing, as far as that was seen */
static int watch_read(lua_State *L) {
	const struct watch *watch = check_open(L);
	_Alignas(struct inotify_event) char bytes[4096];
	lua_Integer count = 0;
	int overflow = 0;
	ssize_t n;
	lua_settop(L, 1);
	push_wanted(L, 1);
	lua_getiuservalue(L, 1, 2);
	lua_getiuservalue(L, 1, 3);
	while ((n = read(watch->fd, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t i = 0; i < n;) {
			const struct inotify_event *event = (const struct inotify_event *)(bytes + i);
			i += (ssize_t)(sizeof *event + event->len);
			overflow |= (event->mask & IN_Q_OVERFLOW) != 0;
			if ((event->mask & IN_Q_OVERFLOW) != 0) {
				count++;
			} else if ((event->mask & IN_IGNORED) == 0 && is_wanted(L, event)) {
				count++;
				note_writer(L, event);
			}
			lua_settop(L, 4);
		}
	}
	if (overflow) {
		lua_newtable(L);
		lua_setiuservalue(L, 1, 3);
	}
	lua_pushnil(L);
	bool writing = !overflow && lua_next(L, 4) != 0;
	lua_settop(L, 4);
	lua_pushinteger(L, count);
	lua_pushboolean(L, overflow);
	lua_pushboolean(L, writing);
	return 3;
}

int reef_load_watch(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"add", watch_add},   {"begin", watch_begin}, {"finish", watch_finish},
			{"read", watch_read}, {"close", watch_close}, {"__gc", watch_close},
			{NULL, NULL},
	};
	struct reef_service *service = reef_slice_service();
	if (service == NULL)
		return luaL_error(L, "only a service can watch");
	struct watch *watch = lua_newuserdatauv(L, sizeof *watch, 3);
	watch->fd = -1;
	for (int i = 1; i <= 3; i += 2) {
		lua_newtable(L);
		lua_setiuservalue(L, -2, i);
	}
	if (luaL_newmetatable(L, watch_type)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	lua_setmetatable(L, -2);
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return watch_failed(L, "inotify", errno);
	int error = reef_poller_add(watch->fd, REEF_POLL_OTHER, reef_service_handle(service), EPOLLIN);
	return error == 0 ? 1 : watch_failed(L, "inotify", error);
}

void reef_load_watch_setup(void) {
	reef_poller_set_handler(REEF_POLL_OTHER, watch_ready);
}

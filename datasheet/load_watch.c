/* Word that something has changed in some directories: inotify, through the engine's poller.
 *
 * What has changed is not told. Whoever is told looks for himself, so that nothing depends on the order of events, and
 * a queue that has overflowed is as good as any other event. The word is a message of type text to the service that
 * made the watch; there is no other until it has called `read`.
 */
#include "load.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/host.h"
#include "core/message.h"
#include "core/names.h"
#include "core/poller.h"
#include "core/service.h"

#define EVENTS                                                                                                         \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF |   \
	 IN_MOVE_SELF | IN_ONLYDIR)

static const char watch_type[] = "reef.config.watch";
static const char word[] = "changed";

struct watch {
	int fd; /* -1: closed */
};

/* On whichever thread polls. `id` is the handle of the service. */
static void on_ready(uint32_t id, uint32_t events) {
	(void)events;
	reef_send_copy(id, id, REEF_PTYPE_TEXT, 0, word, sizeof word - 1);
}

static int l_close(lua_State *L) {
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

static int fail(lua_State *L, const char *what, int error) {
	lua_pushnil(L);
	if (error == EMFILE || error == ENOSPC)
		lua_pushfstring(L, "%s: %s (see /proc/sys/fs/inotify)", what, strerror(error));
	else
		lua_pushfstring(L, "%s: %s", what, strerror(error));
	return 2;
}

/* watch:add(directory) -> its number, the same one if it is watched already; or nil and why not */
static int l_add(lua_State *L) {
	const struct watch *watch = check_open(L);
	const char *path = reef_check_name(L, 2);
	int number = inotify_add_watch(watch->fd, path, EVENTS);
	if (number < 0)
		return fail(L, path, errno);
	lua_pushinteger(L, number);
	return 1;
}

/* watch:read() -> how many events there were, whether some were lost */
static int l_read(lua_State *L) {
	const struct watch *watch = check_open(L);
	_Alignas(struct inotify_event) char bytes[4096];
	lua_Integer count = 0;
	int overflow = 0;
	ssize_t n;
	while ((n = read(watch->fd, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t i = 0; i < n; count++) {
			const struct inotify_event *event = (const struct inotify_event *)(bytes + i);
			overflow |= (event->mask & IN_Q_OVERFLOW) != 0;
			i += (ssize_t)(sizeof *event + event->len);
		}
	}
	lua_pushinteger(L, count);
	lua_pushboolean(L, overflow);
	return 2;
}

int reef_load_watch(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"add", l_add}, {"read", l_read}, {"close", l_close}, {"__gc", l_close}, {NULL, NULL},
	};
	struct reef_service *service = reef_service_current();
	if (service == NULL)
		return luaL_error(L, "only a service can watch");
	struct watch *watch = lua_newuserdatauv(L, sizeof *watch, 0);
	watch->fd = -1;
	if (luaL_newmetatable(L, watch_type)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	lua_setmetatable(L, -2);
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return fail(L, "inotify", errno);
	int error = reef_poller_add(watch->fd, REEF_POLL_OTHER, reef_service_handle(service), EPOLLIN);
	return error == 0 ? 1 : fail(L, "inotify", error);
}

void reef_load_watch_setup(void) {
	reef_poller_set_handler(REEF_POLL_OTHER, on_ready);
}

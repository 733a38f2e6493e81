/* See replaying.h. */
#include "replaying.h"

#include <stdarg.h>
#include <stdio.h>

#include <lauxlib.h>

#include "core/host/host.h"
#include "core/host/report.h"
#include "core/text.h"

struct reef_replaying reef_replaying;

double reef_replaying_seconds(void) {
	return (double)(reef_replaying.time_ns - reef_replaying.start_ns) / 1e9;
}

void reef_replay_say(const char *format, ...) {
	va_list args;
	va_start(args, format);
	fputs("replay: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

const char *reef_replay_stack(void) {
	static struct reef_text text;
	struct reef_host *host = reef_replaying.tape.host.host;
	lua_State *L = reef_host_running_thread(reef_host_service(host));
	size_t size = 0;
	const char *failed = L ? NULL : reef_report_text(host, &size);
	text.size = 0;
	if (L) {
		reef_replaying.tape.host.seam.off++;
		luaL_traceback(L, L, NULL, 0);
		reef_replaying.tape.host.seam.off--;
		failed = lua_tolstring(L, -1, &size);
	}
	if (failed == NULL)
		return "no Lua code is at work";
	reef_text_add(&text, failed, size);
	reef_text_add(&text, "", 1);
	if (L)
		lua_pop(L, 1);
	return text.data && !text.failed ? text.data : "no memory to show it";
}

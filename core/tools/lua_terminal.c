/* The Lua module `reef.terminal`: the terminal that a command is used on. There is one, so its state belongs to the
 * process; what was changed is put back when the process ends. One service uses it at a time. */
#include "lua_terminal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <lauxlib.h>

#define ENTER "\033[?1049h\033[?25l\033[?7l" /* the other screen, no cursor, long lines are cut */
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static struct termios before;
static atomic_bool taken;

static void put_back(void) {
	if (!atomic_exchange(&taken, false))
		return;
	ssize_t ignored = write(STDOUT_FILENO, LEAVE, sizeof LEAVE - 1);
	(void)ignored;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

/* is_terminal(fd) -> boolean */
static int terminal_is_terminal(lua_State *L) {
	lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
	return 1;
}

/* size() -> columns, rows of the terminal at stdout; nothing: it has no size */
static int terminal_size(lua_State *L) {
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
		return 0;
	lua_pushinteger(L, size.ws_col);
	lua_pushinteger(L, size.ws_row);
	return 2;
}

/* take() -> true | nil, error: keys are read one at a time and not shown, ^C among them; what is drawn leaves no trace. */
static int terminal_take(lua_State *L) {
	static bool registered;
	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return luaL_fileresult(L, 0, "terminal");
	struct termios raw = before;
	raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG | IEXTEN);
	raw.c_iflag &= (tcflag_t) ~(ICRNL | IXON);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (!registered)
		registered = atexit(put_back) == 0;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) != 0)
		return luaL_fileresult(L, 0, "terminal");
	atomic_store(&taken, true);
	return luaL_fileresult(L, write(STDOUT_FILENO, ENTER, sizeof ENTER - 1) > 0, "terminal");
}

/* give_back(): all is as it was before take. */
static int terminal_give_back(lua_State *L) {
	(void)L;
	put_back();
	return 0;
}

/* read(most) -> what has been typed, "" at the end | nil, error. Waits if nothing has: see reef.fd. */
static int terminal_read(lua_State *L) {
	char bytes[4096];
	lua_Integer most = luaL_checkinteger(L, 1);
	luaL_argcheck(L, most > 0 && most <= (lua_Integer)sizeof bytes, 1, "1 to 4096 bytes");
	ssize_t n = read(STDIN_FILENO, bytes, (size_t)most);
	if (n < 0)
		return luaL_fileresult(L, 0, "stdin");
	lua_pushlstring(L, bytes, (size_t)n);
	return 1;
}

int reef_open_terminal(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"is_terminal", terminal_is_terminal}, {"size", terminal_size}, {"take", terminal_take},
			{"give_back", terminal_give_back},     {"read", terminal_read}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}

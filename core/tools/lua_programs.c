/* The Lua module `reef.programs`: programs that run beside this process, for commands and tests.
 *
 * Lua has no way to start a program without waiting for it. This module starts them in the background, tells how they
 * ended, and finds free ports. Children die with this process (PR_SET_PDEATHSIG) and inherit neither its file
 * descriptors nor its signal mask. Nothing here blocks for longer than a fork or a connect on the same machine. */
#include "lua_programs.h"
#include "core/sim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>

#define MOST_ARGUMENTS 4096

/* What the child needs, gathered before the fork: afterwards only async-signal-safe calls are allowed. */
struct plan {
	char **argv;
	const char *cwd, *in, *out, *err;
	char **env;
	pid_t parent;
};

static const char *field(lua_State *L, const char *name) {
	lua_getfield(L, 1, name);
	const char *text = luaL_optstring(L, -1, NULL);
	/* stays on the stack, so that the text lives */
	return text;
}

static bool redirect(const char *path, int fd, int flags) {
	int f = open(path, flags, 0644);
	if (f < 0)
		return false;
	return f == fd || (dup2(f, fd) == fd && close(f) == 0);
}

static void child(const struct plan *p, int report) {
	struct sigaction sa = {.sa_handler = SIG_DFL};
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &sa, NULL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != p->parent)
		_exit(127);
	/* The report pipe moves to 3, everything above is closed. */
	if ((report != 3 && dup2(report, 3) != 3) || fcntl(3, F_SETFD, FD_CLOEXEC) != 0 || close_range(4, ~0U, 0) != 0)
		_exit(127);
	int append = O_WRONLY | O_CREAT | O_APPEND;
	if (redirect(p->in ? p->in : "/dev/null", 0, O_RDONLY) && (!p->out || redirect(p->out, 1, append)) &&
		(!p->err || (p->err == p->out ? dup2(1, 2) == 2 : redirect(p->err, 2, append))) &&
		(!p->cwd || chdir(p->cwd) == 0))
		execvpe(p->argv[0], p->argv, p->env);
	int e = errno;
	ssize_t ignored = write(3, &e, sizeof e);
	(void)ignored;
	_exit(127);
}

extern char **environ;

/* The process' environment with the fields of the table on top of the stack added; a userdata owns the array. */
static char **environment(lua_State *L) {
	size_t have = 0, n = 0;
	while (environ[have])
		have++;
	int t = lua_gettop(L), strings = t + 1;
	luaL_checktype(L, t, LUA_TTABLE);
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, t); lua_settop(L, strings + 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "the name of a variable is a %s, not a string", luaL_typename(L, -2));
		const char *name = lua_tostring(L, -2), *value = luaL_tolstring(L, -1, NULL);
		lua_pushfstring(L, "%s=%s", name, value);
		lua_rawseti(L, strings, (lua_Integer)++n);
	}
	char **env = lua_newuserdatauv(L, (have + n + 1) * sizeof *env, 1);
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, strings, (lua_Integer)i + 1);
		env[i] = (char *)(uintptr_t)lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	lua_pushvalue(L, strings);
	lua_setiuservalue(L, -2, 1);
	size_t added = n;
	for (size_t i = 0; i < have; i++) {
		bool replaced = false;
		for (size_t k = 0; k < added && !replaced; k++) {
			size_t name = (size_t)(strchr(env[k], '=') - env[k]) + 1;
			replaced = strncmp(environ[i], env[k], name) == 0;
		}
		if (!replaced)
			env[n++] = environ[i];
	}
	env[n] = NULL;
	return env;
}

/* spawn{"program", "argument", ..., cwd=, env={}, stdin=path, stdout=path, stderr=path} -> pid | nil, error */
static int programs_spawn(lua_State *L) {
	if (reef_sim_on)
		reef_sim_refuse("a program of the system (reef.programs)");
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_Integer argc = luaL_len(L, 1);
	luaL_argcheck(L, argc >= 1, 1, "a program is needed");
	luaL_argcheck(L, argc <= MOST_ARGUMENTS, 1, "too many arguments");
	struct plan p = {.parent = getpid()};
	luaL_checkstack(L, 2 * (int)argc + 20, "too many arguments");
	p.argv = lua_newuserdatauv(L, ((size_t)argc + 1) * sizeof *p.argv, 0);
	for (lua_Integer i = 1; i <= argc; i++) {
		lua_geti(L, 1, i);
		p.argv[i - 1] = (char *)(uintptr_t)luaL_tolstring(L, -1, NULL);
	}
	p.argv[argc] = NULL;
	p.cwd = field(L, "cwd");
	p.in = field(L, "stdin");
	p.out = field(L, "stdout");
	p.err = field(L, "stderr");
	if (p.err && p.out && strcmp(p.err, p.out) == 0)
		p.err = p.out;
	if (lua_getfield(L, 1, "env") == LUA_TNIL) {
		lua_pop(L, 1);
		lua_newtable(L);
	}
	p.env = environment(L);

	int report[2];
	if (pipe2(report, O_CLOEXEC) != 0)
		return luaL_fileresult(L, 0, "pipe");
	pid_t pid = fork();
	if (pid == 0)
		child(&p, report[1]);
	int e = errno;
	close(report[1]);
	if (pid > 0 && read(report[0], &e, sizeof e) == sizeof e) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(report[0]);
	if (pid < 0) {
		errno = e;
		return luaL_fileresult(L, 0, p.argv[0]);
	}
	lua_pushinteger(L, pid);
	return 1;
}

/* kill(pid, signal number) -> true | nil, error */
static int programs_kill(lua_State *L) {
	pid_t pid = (pid_t)luaL_checkinteger(L, 1);
	luaL_argcheck(L, pid > 1, 1, "not a process of ours");
	return luaL_fileresult(L, kill(pid, (int)luaL_checkinteger(L, 2)) == 0, NULL);
}

/* poll(pid) -> nothing while it runs, then exit code, or nil and the signal that ended it. */
static int programs_poll(lua_State *L) {
	int status;
	pid_t pid = (pid_t)luaL_checkinteger(L, 1);
	luaL_argcheck(L, pid > 1, 1, "not a process of ours");
	pid_t got = waitpid(pid, &status, WNOHANG);
	if (got < 0)
		return luaL_error(L, "process %d: %s", (int)pid, strerror(errno));
	if (got == 0)
		return 0;
	if (WIFEXITED(status)) {
		lua_pushinteger(L, WEXITSTATUS(status));
		return 1;
	}
	lua_pushnil(L);
	lua_pushinteger(L, WTERMSIG(status));
	return 2;
}

/* Where the ports begin that the system gives to connections. */
static unsigned first_given(void) {
	unsigned first = 32768;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	if (f != NULL) {
		if (fscanf(f, "%u", &first) != 1)
			first = 32768;
		fclose(f);
	}
	return first;
}

/* free_port() -> a TCP port of 127.0.0.1 that nobody listened on a moment ago; below those that connections are given where
 * there is room, so that a server that is started again finds it free */
static int programs_free_port(lua_State *L) {
	enum { LOWEST = 20000, ROOM = 1000, TRIES = 100 };
	unsigned end = first_given();
	for (int i = 0; i < TRIES; i++) {
		uint16_t chance = 0;
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t size = sizeof a;
		if (i < TRIES / 2 && end >= LOWEST + ROOM && getrandom(&chance, sizeof chance, 0) == sizeof chance)
			a.sin_port = htons((uint16_t)(LOWEST + chance % (end - LOWEST)));
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, size) == 0 &&
				  getsockname(fd, (struct sockaddr *)&a, &size) == 0;
		if (fd >= 0)
			close(fd);
		if (ok) {
			lua_pushinteger(L, ntohs(a.sin_port));
			return 1;
		}
	}
	return luaL_error(L, "no free port: %s", strerror(errno));
}

/* can_connect(port or Unix socket's path) -> boolean */
static int programs_can_connect(lua_State *L) {
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	bool tcp = lua_isinteger(L, 1);
	if (tcp) {
		in.sin_port = htons((uint16_t)lua_tointeger(L, 1));
	} else {
		const char *path = luaL_checkstring(L, 1);
		luaL_argcheck(L, strlen(path) < sizeof un.sun_path, 1, "path too long for a Unix socket");
		strcpy(un.sun_path, path);
	}
	int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && (tcp ? connect(fd, (struct sockaddr *)&in, sizeof in)
							  : connect(fd, (struct sockaddr *)&un, sizeof un)) == 0;
	if (fd >= 0)
		close(fd);
	lua_pushboolean(L, ok);
	return 1;
}

/* mkdir(path) -> true | nil, error */
static int programs_mkdir(lua_State *L) {
	const char *path = luaL_checkstring(L, 1);
	return luaL_fileresult(L, mkdir(path, 0755) == 0, path);
}

/* temporary(path) -> a new directory whose name begins with path | nil, error */
static int programs_temporary(lua_State *L) {
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%sXXXXXX", luaL_checkstring(L, 1));
	luaL_argcheck(L, n > 0 && (size_t)n < sizeof path, 1, "path too long");
	if (mkdtemp(path) == NULL)
		return luaL_fileresult(L, 0, path);
	lua_pushstring(L, path);
	return 1;
}

/* executable() -> path of the program that this process runs | nil, error */
static int programs_executable(lua_State *L) {
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path);
	if (n < 0)
		return luaL_fileresult(L, 0, "/proc/self/exe");
	lua_pushlstring(L, path, (size_t)n);
	return 1;
}

/* directory() -> the working directory | nil, error */
static int programs_directory(lua_State *L) {
	char path[PATH_MAX];
	if (getcwd(path, sizeof path) == NULL)
		return luaL_fileresult(L, 0, NULL);
	lua_pushstring(L, path);
	return 1;
}

static int programs_pid(lua_State *L) {
	lua_pushinteger(L, reef_sim_on ? 1 : getpid());
	return 1;
}

int reef_open_programs(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"spawn", programs_spawn},
			{"kill", programs_kill},
			{"poll", programs_poll},
			{"free_port", programs_free_port},
			{"can_connect", programs_can_connect},
			{"mkdir", programs_mkdir},
			{"temporary", programs_temporary},
			{"executable", programs_executable},
			{"directory", programs_directory},
			{"pid", programs_pid},
			{NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}

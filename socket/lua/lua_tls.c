/* `reef.tls.core`: the C half of `reef.tls`, and targets as Lua values, which everything that opens a socket takes. */
#include "lua_tls.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/seam.h"
#include "core/text.h"
#include "lua_common.h"
#include "socket/tls/tls.h"

#define TARGET "reef.tls.target"
#define CS_NS 10000000u

struct target {
	struct reef_tls_target target;
	char *name, *where;
};

static int target_collect(lua_State *L) {
	struct target *t = luaL_checkudata(L, 1, TARGET);
	if (t->target.context)
		reef_tls_context_unref(t->target.context);
	reef_free(t->name);
	reef_free(t->where);
	memset(t, 0, sizeof *t);
	return 0;
}

static struct target *new_target(lua_State *L) {
	struct target *t = lua_newuserdatauv(L, sizeof *t, 0);
	memset(t, 0, sizeof *t);
	if (luaL_newmetatable(L, TARGET)) {
		lua_pushcfunction(L, target_collect);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return t;
}

const struct reef_tls_target *reef_lua_tls_target(lua_State *L, int index) {
	if (lua_isnoneornil(L, index))
		return NULL;
	struct target *t = luaL_checkudata(L, index, TARGET);
	luaL_argcheck(L, t->name != NULL, index, "this TLS target was collected");
	return &t->target;
}

/* ---- options: all of these have the table at the top of the stack, and leave there what they return ---- */

static bool has_option(lua_State *L, const char *key, int type, const char *expected) {
	int found = lua_getfield(L, -1, key);
	if (found == LUA_TNIL) {
		lua_pop(L, 1);
		return false;
	}
	if (found != type)
		luaL_error(L, "tls: %s has to be %s, not %s", key, expected, luaL_typename(L, -1));
	return true;
}

/* The table keeps the text alive. */
static const char *text_option(lua_State *L, const char *key) {
	if (!has_option(L, key, LUA_TSTRING, "a string"))
		return NULL;
	size_t n;
	const char *s = lua_tolstring(L, -1, &n);
	if (strlen(s) != n)
		luaL_error(L, "tls: %s contains a zero byte", key);
	lua_pop(L, 1);
	return s;
}

static bool flag_option(lua_State *L, const char *key, bool absent) {
	if (!has_option(L, key, LUA_TBOOLEAN, "true or false"))
		return absent;
	bool value = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return value;
}

static uint64_t timeout_option(lua_State *L) {
	if (!has_option(L, "timeout", LUA_TNUMBER, "a number"))
		return 0;
	lua_Number cs = lua_tonumber(L, -1);
	lua_pop(L, 1);
	if (!(cs > 0 && cs < 1e12))
		luaL_error(L, "tls: timeout is out of range");
	return (uint64_t)(cs * CS_NS);
}

static int choice_option(lua_State *L, const char *key, const char *const *names) {
	const char *chosen = text_option(L, key);
	for (int i = 0; chosen && names[i]; i++) {
		if (strcmp(names[i], chosen) == 0)
			return i;
	}
	if (chosen)
		luaL_error(L, "tls: %s cannot be '%s'", key, chosen);
	return 0;
}

/* A list of names as RFC 7301 writes it; a string pushed below the table. */
static const char *alpn_option(lua_State *L) {
	if (!has_option(L, "alpn", LUA_TTABLE, "a list of names"))
		return NULL;
	luaL_Buffer b;
	int list = lua_gettop(L);
	lua_Integer n = luaL_len(L, list);
	luaL_buffinit(L, &b);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_geti(L, list, i);
		size_t size = 0;
		const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
		if (name == NULL || size == 0 || size > 255 || strlen(name) != size)
			luaL_error(L, "tls: alpn has to be a list of names");
		char length = (char)size;
		lua_pop(L, 1);
		luaL_addlstring(&b, &length, 1);
		luaL_addlstring(&b, name, size);
	}
	luaL_pushresult(&b);
	lua_remove(L, list);
	lua_insert(L, -2);
	return n > 0 ? lua_tostring(L, -2) : NULL;
}

static void check_option_names(lua_State *L) {
	static const char *const known[] = {"ca_file",     "ca_dir",  "cert_file",           "key_file",      "password",
										"verify",      "ciphers", "verify_host",         "server_name",   "alpn",
										"min_version", "timeout", "client_certificates", "partial_chain", NULL};
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		lua_pop(L, 1);
		const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_tolstring(L, -1, NULL);
		int i = 0;
		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (known[i] != NULL)
			continue;
		for (i = 0; known[i] && !reef_text_is_one_away(key, known[i]); i++)
			continue;
		luaL_error(L, known[i] ? "tls: unknown option %s (did you mean %s?)" : "tls: unknown option %s", key, known[i]);
	}
}

static void read_tls_options(lua_State *L, struct reef_tls_options *o) {
	static const char *const versions[] = {"1.2", "1.3", NULL};
	static const char *const clients[] = {"none", "optional", "required", NULL};
	check_option_names(L);
	o->ca_file = text_option(L, "ca_file");
	o->ca_dir = text_option(L, "ca_dir");
	o->cert_file = text_option(L, "cert_file");
	o->key_file = text_option(L, "key_file");
	o->password = text_option(L, "password");
	o->ciphers = text_option(L, "ciphers");
	o->trust_anybody = !o->server && !flag_option(L, "verify", true);
	o->any_name = !o->server && !flag_option(L, "verify_host", true);
	o->partial_chain = flag_option(L, "partial_chain", false);
	o->only_13 = choice_option(L, "min_version", versions) == 1;
	o->client_certificates = (enum reef_tls_client_certificates)choice_option(L, "client_certificates", clients);
	if (o->server && (!flag_option(L, "verify", true) || !flag_option(L, "verify_host", true)))
		luaL_error(L, "tls: a server verifies clients by client_certificates, not by verify");
	if (!o->server && o->client_certificates != REEF_TLS_NO_CLIENT)
		luaL_error(L, "tls: client_certificates is for servers");
	o->alpn = alpn_option(L);
}

/* (options, server): raises unless they are. */
static int tls_check(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	struct reef_tls_options options = {.server = lua_toboolean(L, 2)};
	lua_pushvalue(L, 1);
	read_tls_options(L, &options);
	text_option(L, "server_name");
	timeout_option(L);
	return 0;
}

/* NULL, or why there is none. Its files are outside: in a replay (core/seam.h) there are none, and nobody looks for them. */
static const char *make_context(struct reef_tls_target *target, const struct reef_tls_options *options, char *error,
								size_t error_size) {
	static const char what[] = "reef.tls.core.target";
	struct reef_seam *seam = reef_seam_here();
	if (seam == NULL ||
		seam->act(seam, REEF_SEAM_CALL, &(struct reef_seam_about){.bytes = what, .size = sizeof what - 1}))
		target->context = reef_tls_context_get(options, error, error_size);
	bool made = reef_seam_number(REEF_SEAM_RESULT, target->context != NULL);
	return made ? NULL : reef_seam_text(REEF_SEAM_RESULT, error);
}

/* (options, server, host or nil, port or nil) -> target; or nil and why not */
static int tls_target(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 4);
	struct reef_tls_options options = {.server = lua_toboolean(L, 2)};
	const char *host = lua_isnoneornil(L, 3) ? NULL : reef_lua_common_host(L, 3);
	lua_Integer port = luaL_optinteger(L, 4, -1);
	char error[512] = "";
	struct target *t = new_target(L);
	lua_pushvalue(L, 1);
	read_tls_options(L, &options);
	const char *name = text_option(L, "server_name");
	t->target.timeout_ns = timeout_option(L);
	if (name == NULL)
		name = host;
	/* A name that is complete (RFC 1034, 3.1) is in certificates, and sent, without the dot that says so (RFC 6066, 3). */
	size_t n = name ? strlen(name) : 0;
	if (n > 0 && name[n - 1] == '.')
		name = lua_pushlstring(L, name, n - 1);
	/* To OpenSSL no name is any name, and one that begins with a dot any below it (X509_check_host). */
	bool nobody = name == NULL || name[0] == '\0' || name[0] == '.';
	if (!options.server && nobody && !options.trust_anybody && !options.any_name)
		return luaL_error(L, "tls: who should the server be? (server_name)");
	t->target.name = t->name = reef_strdup(name ? name : "");
	if (host) {
		bool v6 = strchr(host, ':') != NULL;
		if (port >= 0)
			lua_pushfstring(L, v6 ? "[%s]:%I" : "%s:%I", host, port);
		else
			lua_pushstring(L, host);
		t->target.where = t->where = reef_strdup(lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	const char *why = make_context(&t->target, &options, error, sizeof error);
	if (why) {
		lua_pushnil(L);
		lua_pushstring(L, why);
		return 2;
	}
	lua_settop(L, 5); /* the target */
	return 1;
}

/* () -> how many contexts were read, how many failed, why the first of those did */
static int tls_reload(lua_State *L) {
	char error[512];
	size_t failed, done = reef_tls_context_reload_all(&failed, error, sizeof error);
	lua_pushinteger(L, (lua_Integer)done);
	lua_pushinteger(L, (lua_Integer)failed);
	lua_pushstring(L, error);
	return 3;
}

static void set_text(lua_State *L, const char *key, const char *value) {
	if (value[0] == '\0')
		return;
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

/* (id) -> table; or nil */
static int tls_info(lua_State *L) {
	struct reef_tls_info info;
	if (!reef_socket_tls_info((int)luaL_checkinteger(L, 1), &info))
		return 0;
	lua_createtable(L, 0, 8);
	lua_pushboolean(L, info.established);
	lua_setfield(L, -2, "established");
	lua_pushboolean(L, info.resumed);
	lua_setfield(L, -2, "resumed");
	set_text(L, "role", info.server ? "server" : "client");
	set_text(L, "version", info.version);
	set_text(L, "cipher", info.cipher);
	set_text(L, "alpn", info.alpn);
	set_text(L, "server_name", info.name);
	if (info.has_peer) {
		lua_createtable(L, 0, 5);
		set_text(L, "subject", info.subject);
		set_text(L, "issuer", info.issuer);
		set_text(L, "names", info.names);
		set_text(L, "not_after", info.not_after);
		set_text(L, "fingerprint", info.fingerprint);
		lua_setfield(L, -2, "peer");
	}
	return 1;
}

int reef_lua_tls_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"check", tls_check}, {"target", tls_target}, {"reload", tls_reload}, {"info", tls_info}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}

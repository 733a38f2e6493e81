/* Protocols: the types of messages that a service knows, each with what packs, unpacks and handles it.
 *
 * A small array in the host, searched from the front; `lua`, which is asked for most, is always the first. It grows by one,
 * since an idle service is small (so no core/array.h). Owned by the host; own slice only. */
#include "protocol.h"

#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "host_private.h"

struct reef_protocol *reef_protocol_by_id(struct reef_host *host, int id) {
	for (int i = 0; i < host->protocol_count; i++)
		if (host->protocols[i].id == id)
			return &host->protocols[i];
	return NULL;
}

struct reef_protocol *reef_protocol_by_name(struct reef_host *host, const char *name, size_t size) {
	for (int i = 0; i < host->protocol_count; i++)
		if (host->protocols[i].name_size == size && memcmp(host->protocols[i].name, name, size) == 0)
			return &host->protocols[i];
	return NULL;
}

struct reef_protocol *reef_protocol_check(lua_State *L, int index) {
	struct reef_host *host = reef_host_get(L);
	struct reef_protocol *protocol;
	if (lua_type(L, index) == LUA_TNUMBER) {
		protocol = reef_protocol_by_id(host, (int)luaL_checkinteger(L, index));
	} else {
		size_t size;
		const char *name = luaL_checklstring(L, index, &size);
		protocol = reef_protocol_by_name(host, name, size);
	}
	if (!protocol)
		luaL_error(L, "unknown message type '%s'", luaL_tolstring(L, index, NULL));
	return protocol;
}

/* Those that each service knows. Their names live as long as the process. */
static const struct reef_protocol known[] = {
		{.name = "lua", .name_size = 3, .id = REEF_PTYPE_LUA, .packs = CODEC_LUA, .unpacks = CODEC_LUA, .trace = -1},
		{.name = "response",
		 .name_size = 8,
		 .id = REEF_PTYPE_RESPONSE,
		 .packs = CODEC_LUA,
		 .unpacks = CODEC_LUA,
		 .trace = -1},
		{.name = "error",
		 .name_size = 5,
		 .id = REEF_PTYPE_ERROR,
		 .packs = CODEC_STRING,
		 .unpacks = CODEC_STRING,
		 .trace = -1},
		{.name = "debug",
		 .name_size = 5,
		 .id = REEF_PTYPE_DEBUG,
		 .packs = CODEC_LUA,
		 .unpacks = CODEC_LUA,
		 .trace = -1},
};

enum { KNOWN = sizeof(known) / sizeof(*known) };

void reef_protocol_begin(struct reef_host *host) {
	reef_protocol_copy(host, known, KNOWN);
}

void reef_protocol_copy(struct reef_host *host, const struct reef_protocol *from, int count) {
	host->protocols = memcpy(reef_malloc((size_t)count * sizeof(*from)), from, (size_t)count * sizeof(*from));
	host->protocol_count = (uint16_t)count;
	for (int i = KNOWN; i < count; i++)
		host->protocols[i].name = reef_strdup(from[i].name);
}

struct reef_protocol *reef_protocol_add(struct reef_host *host, const char *name, int id) {
	size_t size = (size_t)(host->protocol_count + 1) * sizeof(*host->protocols);
	host->protocols = reef_realloc(host->protocols, size);
	struct reef_protocol *protocol = &host->protocols[host->protocol_count++];
	*protocol = (struct reef_protocol){
			.name = reef_strdup(name), .name_size = (uint32_t)strlen(name), .id = (uint8_t)id, .trace = -1};
	return protocol;
}

void reef_protocol_free(struct reef_protocol *protocols, int count) {
	for (int i = KNOWN; i < count; i++)
		reef_free(protocols[i].name);
	reef_free(protocols);
}

void reef_protocol_fini(struct reef_host *host) {
	reef_protocol_free(host->protocols, host->protocol_count);
	host->protocols = NULL;
	host->protocol_count = 0;
}

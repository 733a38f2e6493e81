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

struct reef_protocol *reef_protocol_add(struct reef_host *host, const char *name, int id) {
	size_t size = (size_t)(host->protocol_count + 1) * sizeof(*host->protocols);
	host->protocols = reef_realloc(host->protocols, size);
	struct reef_protocol *protocol = &host->protocols[host->protocol_count++];
	*protocol = (struct reef_protocol){
			.name = reef_strdup(name), .name_size = strlen(name), .id = (uint8_t)id, .trace = -1};
	return protocol;
}

void reef_protocol_fini(struct reef_host *host) {
	for (int i = 0; i < host->protocol_count; i++)
		reef_free(host->protocols[i].name);
	reef_free(host->protocols);
	host->protocols = NULL;
	host->protocol_count = 0;
}

/* Protocols: the types of messages that a service knows. Own slice only; a pointer is valid until one is added. */
#ifndef REEF_PROTOCOL_H
#define REEF_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_host;

enum reef_codec {
	CODEC_NONE,
	CODEC_LUA,    /* skynet.pack, skynet.unpack */
	CODEC_STRING, /* skynet.tostring */
	CODEC_USER,   /* a function in the registry */
};

enum { REEF_TRACE_SAMPLED = 2 };

struct reef_protocol {
	char *name;
	uint32_t name_size;
	int dispatch, pack, unpack; /* registry references, 0: none */
	uint8_t id;
	uint8_t packs, unpacks; /* enum reef_codec */
	int8_t trace;           /* 1: always, 0: never, -1: as the coroutine is traced; REEF_TRACE_SAMPLED: by chance */
};

/* NULL if there is none such. */
struct reef_protocol *reef_protocol_by_id(struct reef_host *host, int id);
struct reef_protocol *reef_protocol_by_name(struct reef_host *host, const char *name, size_t size);
/* The one that the value at `index` names, by name or number; raises if there is none. */
struct reef_protocol *reef_protocol_check(lua_State *L, int index);
/* A new one, without any functions; `name` is copied. */
struct reef_protocol *reef_protocol_add(struct reef_host *host, const char *name, int id);
/* The host, which has none, gets those that each service knows. */
void reef_protocol_begin(struct reef_host *host);
/* The host, which has none, gets the same as another one. */
void reef_protocol_copy(struct reef_host *host, const struct reef_protocol *from, int count);
void reef_protocol_fini(struct reef_host *host);
void reef_protocol_free(struct reef_protocol *protocols, int count);

#endif

/* sproto.core: what lualib/sproto.lua is made of.
 *
 * A schema is a userdata, with the names of all its fields as an array in its user value, so that no name has to become
 * a Lua string again. Sixteen slots of the process keep schemas for all VMs. */
#include "lua_sproto.h"

#include <lauxlib.h>
#include <pthread.h>
#include <string.h>

#include "core/host/host.h"
#include "decode.h"
#include "encode.h"
#include "pack.h"

#define SCHEMA "reef.sproto.schema"
#define SLOTS 16
#define KEEP_CAPACITY ((size_t)256 * 1024) /* bytes that a buffer may keep between two messages */

static struct reef_sproto *slots[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- schemas ---- */

/* Upvalue 2 of all functions is the metatable of schemas: to look it up by its name would take as long as a field. */
static struct reef_sproto *check_schema(lua_State *L) {
	bool known = lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(2));
	struct reef_sproto **schema = known ? lua_touserdata(L, 1) : luaL_checkudata(L, 1, SCHEMA);
	if (known)
		lua_pop(L, 1);
	luaL_argcheck(L, *schema != NULL, 1, "this schema is gone");
	return *schema;
}

static int schema_gc(lua_State *L) {
	struct reef_sproto **schema = luaL_checkudata(L, 1, SCHEMA);
	if (*schema != NULL)
		reef_sproto_unref(*schema);
	*schema = NULL;
	return 0;
}

/* Pushes a userdata without a schema, and returns the place for it. */
static struct reef_sproto **push_empty(lua_State *L) {
	struct reef_sproto **schema = lua_newuserdatauv(L, sizeof(*schema), 1);
	*schema = NULL;
	luaL_setmetatable(L, SCHEMA);
	return schema;
}

static void set_names(lua_State *L, const struct reef_sproto *schema) {
	lua_createtable(L, (int)schema->field_count, 0);
	for (uint32_t i = 0; i < schema->type_count; i++) {
		const struct reef_sproto_type *type = &schema->types[i];
		for (uint32_t k = 0; k < type->count; k++) {
			lua_pushlstring(L, type->fields[k].name, type->fields[k].name_size);
			lua_rawseti(L, -2, type->fields[k].index);
		}
	}
	lua_setiuservalue(L, -2, 1);
}

/* new(bundle) -> schema */
static int sproto_new(lua_State *L) {
	size_t n;
	const char *bundle = luaL_checklstring(L, 1, &n);
	char why[256];
	struct reef_sproto **schema = push_empty(L);
	*schema = reef_sproto_new(bundle, n, why, sizeof(why));
	if (*schema == NULL)
		return luaL_error(L, "%s", why);
	set_names(L, *schema);
	return 1;
}

static int check_slot(lua_State *L, int index) {
	lua_Integer slot = luaL_optinteger(L, index, 0);
	luaL_argcheck(L, slot >= 0 && slot < SLOTS, index, "slots are numbered from 0 to 15");
	return (int)slot;
}

/* save(schema, slot): for all VMs of the process */
static int sproto_save(lua_State *L) {
	struct reef_sproto *schema = check_schema(L);
	int slot = check_slot(L, 2);
	reef_sproto_ref(schema);
	pthread_mutex_lock(&lock);
	struct reef_sproto *old = slots[slot];
	slots[slot] = schema;
	pthread_mutex_unlock(&lock);
	if (old != NULL)
		reef_sproto_unref(old);
	return 0;
}

/* load(slot) -> schema */
static int sproto_load(lua_State *L) {
	int slot = check_slot(L, 1);
	struct reef_sproto **schema = push_empty(L);
	pthread_mutex_lock(&lock);
	*schema = slots[slot];
	if (*schema != NULL)
		reef_sproto_ref(*schema);
	pthread_mutex_unlock(&lock);
	if (*schema == NULL)
		return luaL_error(L, "nil sproto at index %d", slot);
	set_names(L, *schema);
	return 1;
}

static int check_type(lua_State *L, const struct reef_sproto *schema) {
	lua_Integer type = luaL_checkinteger(L, 2);
	luaL_argcheck(L, type >= 0 && type < (lua_Integer)schema->type_count, 2, "no type of this schema");
	return (int)type;
}

/* type(schema, name) -> its number, nil if there is none */
static int sproto_type(lua_State *L) {
	int type = reef_sproto_find_type(check_schema(L), luaL_checkstring(L, 2));
	if (type < 0)
		return 0;
	lua_pushinteger(L, type);
	return 1;
}

static void push_type(lua_State *L, int32_t type) {
	if (type < 0)
		lua_pushnil(L);
	else
		lua_pushinteger(L, type);
}

/* protocol(schema, name or tag) -> name, tag, request, response (numbers of types, or nil), confirm; nothing if there is
 * none */
static int sproto_protocol(lua_State *L) {
	struct reef_sproto *schema = check_schema(L);
	const struct reef_sproto_protocol *protocol = NULL;
	if (lua_type(L, 2) == LUA_TNUMBER) {
		lua_Integer tag = luaL_checkinteger(L, 2);
		if (tag >= 0 && tag <= INT32_MAX)
			protocol = reef_sproto_protocol_of(schema, (uint32_t)tag);
	} else {
		protocol = reef_sproto_find_protocol(schema, luaL_checkstring(L, 2));
	}
	if (protocol == NULL)
		return 0;
	lua_pushstring(L, protocol->name);
	lua_pushinteger(L, protocol->tag);
	push_type(L, protocol->request);
	push_type(L, protocol->response);
	lua_pushboolean(L, protocol->confirm);
	return 5;
}

/* ---- messages ---- */

/* Pushes the buffer that the last message has left, or a new one. Whoever raises leaves it taken: the next one makes another, and
 * the collector has this one. A metamethod may encode in the midst of it, too. */
static struct reef_sproto_buffer *take_buffer(lua_State *L) {
	struct reef_sproto_buffer *buffer = lua_touserdata(L, lua_upvalueindex(1));
	if (buffer == NULL || buffer->taken) {
		buffer = reef_sproto_buffer_push(L);
		lua_pushvalue(L, -1);
		lua_replace(L, lua_upvalueindex(1));
	} else {
		lua_pushvalue(L, lua_upvalueindex(1));
	}
	buffer->taken = true;
	return buffer;
}

static void give_back(struct reef_sproto_buffer *buffer) {
	buffer->size = 0;
	buffer->taken = false;
	if (buffer->capacity > KEEP_CAPACITY)
		reef_sproto_buffer_clear(buffer);
}

static void push_packed(lua_State *L, const char *bytes, size_t n) {
	luaL_Buffer packed;
	char *out = luaL_buffinitsize(L, &packed, reef_sproto_pack_bound(n));
	luaL_pushresultsize(&packed, reef_sproto_pack(bytes, n, out));
}

static int encode_message(lua_State *L, bool packed) {
	struct reef_sproto *schema = check_schema(L);
	int type = check_type(L, schema);
	luaL_checktype(L, 3, LUA_TTABLE);
	lua_settop(L, 3);
	lua_getiuservalue(L, 1, 1);
	struct reef_sproto_buffer *buffer = take_buffer(L);
	reef_sproto_encode(L, schema, type, 3, 4, buffer);
	if (packed)
		push_packed(L, buffer->bytes, buffer->size);
	else
		lua_pushlstring(L, buffer->bytes, buffer->size);
	give_back(buffer);
	return 1;
}

/* encode(schema, type, table) -> string */
static int sproto_encode(lua_State *L) {
	return encode_message(L, false);
}

static int sproto_pencode(lua_State *L) {
	return encode_message(L, true);
}

/* The bytes at `index`: a string, or a light userdata with its size behind it. `*next` is the argument after them. */
static const char *check_bytes(lua_State *L, int index, size_t *n, int *next) {
	*next = index + 1;
	if (!lua_islightuserdata(L, index))
		return luaL_checklstring(L, index, n);
	lua_Integer size = luaL_checkinteger(L, index + 1);
	luaL_argcheck(L, size >= 0, index + 1, "negative size");
	*n = (size_t)size;
	*next = index + 2;
	return lua_touserdata(L, index);
}

/* Pushes the unpacked bytes as a string: messages of others are not trusted to be small. */
static const char *push_unpacked(lua_State *L, const char *bytes, size_t *n) {
	ssize_t size = reef_sproto_unpacked_size(bytes, *n);
	if (size < 0)
		luaL_error(L, "sproto: the packed bytes are cut short");
	luaL_Buffer unpacked;
	char *out = luaL_buffinitsize(L, &unpacked, (size_t)size);
	reef_sproto_unpack(bytes, *n, out);
	luaL_pushresultsize(&unpacked, (size_t)size);
	*n = (size_t)size;
	return lua_tostring(L, -1);
}

static int decode_message(lua_State *L, bool packed) {
	struct reef_sproto *schema = check_schema(L);
	int type = check_type(L, schema), table;
	size_t n;
	const char *bytes = check_bytes(L, 3, &n, &table);
	bool given = lua_istable(L, table);
	lua_settop(L, table);
	lua_getiuservalue(L, 1, 1);
	int names = lua_gettop(L);
	if (packed)
		bytes = push_unpacked(L, bytes, &n);
	if (given)
		lua_pushvalue(L, table);
	else
		lua_createtable(L, 0, (int)schema->types[type].count);
	lua_pushinteger(L, (lua_Integer)reef_sproto_decode(L, schema, type, bytes, n, names));
	return 2;
}

/* decode(schema, type, string or pointer and size [, table]) -> table, bytes that the message took */
static int sproto_decode(lua_State *L) {
	return decode_message(L, false);
}

static int sproto_pdecode(lua_State *L) {
	return decode_message(L, true);
}

static int sproto_pack(lua_State *L) {
	size_t n;
	int next;
	const char *bytes = check_bytes(L, 1, &n, &next);
	push_packed(L, bytes, n);
	return 1;
}

static int sproto_unpack(lua_State *L) {
	size_t n;
	int next;
	const char *bytes = check_bytes(L, 1, &n, &next);
	push_unpacked(L, bytes, &n);
	return 1;
}

/* default(schema, type) -> table: what a reader may take for fields that are not there. Structs are left out. */
static int sproto_default(lua_State *L) {
	struct reef_sproto *schema = check_schema(L);
	const struct reef_sproto_type *type = &schema->types[check_type(L, schema)];
	lua_createtable(L, 0, (int)type->count);
	for (uint32_t i = 0; i < type->count; i++) {
		const struct reef_sproto_field *field = &type->fields[i];
		if (field->array)
			lua_newtable(L);
		else if (field->kind == REEF_SPROTO_INTEGER && field->scale <= 0)
			lua_pushinteger(L, 0);
		else if (field->kind == REEF_SPROTO_INTEGER || field->kind == REEF_SPROTO_DOUBLE)
			lua_pushnumber(L, 0);
		else if (field->kind == REEF_SPROTO_BOOLEAN)
			lua_pushboolean(L, 0);
		else if (field->kind == REEF_SPROTO_STRING)
			lua_pushliteral(L, "");
		else
			continue;
		lua_setfield(L, -2, field->name);
	}
	return 1;
}

static int open_sproto(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"new", sproto_new},
			{"save", sproto_save},
			{"load", sproto_load},
			{"type", sproto_type},
			{"protocol", sproto_protocol},
			{"encode", sproto_encode},
			{"pencode", sproto_pencode},
			{"decode", sproto_decode},
			{"pdecode", sproto_pdecode},
			{"pack", sproto_pack},
			{"unpack", sproto_unpack},
			{"default", sproto_default},
			{NULL, NULL},
	};
	if (luaL_newmetatable(L, SCHEMA)) {
		lua_pushcfunction(L, schema_gc);
		lua_setfield(L, -2, "__gc");
	}
	int meta = lua_gettop(L);
	luaL_newlibtable(L, functions);
	/* The functions share a place for a buffer only with themselves: encode and pencode have one each. */
	for (const luaL_Reg *f = functions; f->name != NULL; f++) {
		lua_pushnil(L);
		lua_pushvalue(L, meta);
		lua_pushcclosure(L, f->func, 2);
		lua_setfield(L, -2, f->name);
	}
	return 1;
}

void reef_sproto_setup(void) {
	reef_host_preload("sproto.core", open_sproto);
}

/* See load_json_fast.h. simdjson makes a tape of the whole text, with the strings of it beside, which belongs to the
 * function that is called; what raises Lua errors runs protected in between, over frames that have nothing to destroy.
 *
 * simdjson holds a text against RFC 8259 as strictly as jansson does, but has no good word for what is wrong with it. So a
 * text that it refuses goes to jansson, and so does one about which more is to be said: a key twice, a key with NUL, null
 * in a list or alone, integers over 64 bits, too many levels.
 *
 * Objects with the same keys in the same order have a shape. The second one of a shape makes a model of it, and those that
 * follow are made after that (sharetable/overlay/model.h).
 */
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

extern "C" {
#include <lauxlib.h>

#include "sharetable/overlay/model.h"
}
#include "load.h"
#include "load_json_fast.h"

namespace dom = simdjson::dom;

static const size_t max_shapes = 32, max_fields = 64;

struct field {
	const char *key; /* in simdjson's strings */
	size_t size;
	int place; /* in the model */
};

struct shape {
	uint32_t hash; /* of the last object that came here; 0: none */
	int users;     /* objects that are being made after it */
	bool tried;    /* there is a model, or there can be none */
	size_t count;
	const void *model; /* nullptr: none; the table lies in the list of models */
	field fields[max_fields];
};

struct walk {
	dom::element root;
	shape *shapes;
	int models; /* the index of the list of models */
};

static bool push_json_value(lua_State *L, const walk &walk, dom::element value, int depth);

/* ---- shapes ---- */

static uint32_t hash_of_keys(dom::object object, size_t count) {
	uint32_t hash = static_cast<uint32_t>(count);
	for (auto i = object.begin(); i != object.end(); ++i) {
		const std::string_view key = i.key();
		const auto ends = key.empty() ? 0u
									  : static_cast<uint32_t>(static_cast<unsigned char>(key.front())) << 8 |
												static_cast<unsigned char>(key.back());
		hash = (hash ^ static_cast<uint32_t>(key.size()) << 16 ^ ends) * 0x9e3779b1u;
		hash ^= hash >> 15;
	}
	return hash | 1;
}

static bool has_keys_of(dom::object object, const shape &shape) {
	const field *field = shape.fields;
	for (auto i = object.begin(); i != object.end(); ++i, ++field) {
		const std::string_view key = i.key();
		if (key.size() != field->size || memcmp(key.data(), field->key, field->size) != 0)
			return false;
	}
	return true;
}

/* Makes the model of a shape from an object. It has none if keys come twice, or are too long or not for Lua. */
static void make_model(lua_State *L, const walk &walk, shape *shape, dom::object object, size_t count) {
	const int top = lua_gettop(L);
	shape->tried = true;
	shape->count = count;
	lua_createtable(L, 0, static_cast<int>(count));
	for (auto i = object.begin(); i != object.end(); ++i) {
		const std::string_view key = i.key();
		if (key.find('\0') != key.npos)
			break;
		lua_pushlstring(L, key.data(), key.size());
		lua_pushvalue(L, -1);
		if (lua_rawget(L, top + 1) != LUA_TNIL)
			break;
		lua_pop(L, 1);
		lua_pushboolean(L, true);
		lua_rawset(L, top + 1);
	}
	const void *model = lua_gettop(L) == top + 1 ? lua_topointer(L, top + 1) : nullptr;
	field *field = shape->fields;
	for (auto i = object.begin(); model != nullptr && i != object.end(); ++i, ++field) {
		const std::string_view key = i.key();
		lua_pushlstring(L, key.data(), key.size());
		*field = {key.data(), key.size(), reef_model_place(L, model)};
		if (field->place < 0)
			model = nullptr;
		lua_pop(L, 1);
	}
	lua_settop(L, top + 1);
	lua_rawseti(L, walk.models, static_cast<lua_Integer>(shape - walk.shapes) + 1);
	shape->model = model;
}

/* The shape that the object is of, if it has a model. */
static shape *find_shape(lua_State *L, const walk &walk, dom::object object, size_t count) {
	if (count == 0 || count > max_fields)
		return nullptr;
	const uint32_t hash = hash_of_keys(object, count);
	shape *shape = &walk.shapes[(hash >> 8) % max_shapes];
	if (shape->hash != hash && shape->users > 0)
		return nullptr;
	if (shape->hash != hash) {
		shape->hash = hash;
		shape->tried = false;
		shape->model = nullptr;
		return nullptr;
	}
	if (!shape->tried)
		make_model(L, walk, shape, object, count);
	return shape->model != nullptr && shape->count == count && has_keys_of(object, *shape) ? shape : nullptr;
}

/* ---- values ---- */

static bool push_object_shaped(lua_State *L, const walk &walk, dom::object object, shape *shape, int depth) {
	const void *made = reef_model_push(L, shape->model);
	const field *field = shape->fields;
	shape->users++;
	for (auto i = object.begin(); i != object.end(); ++i, ++field) {
		const dom::element value = i.value();
		if (value.is_null())
			reef_model_clear(made, field->place);
		else if (push_json_value(L, walk, value, depth))
			reef_model_put(L, made, field->place);
		else
			return false;
	}
	shape->users--;
	return true;
}

static bool push_object(lua_State *L, const walk &walk, dom::object object, int depth) {
	const size_t count = object.size();
	shape *shape = find_shape(L, walk, object, count);
	if (shape != nullptr)
		return push_object_shaped(L, walk, object, shape, depth);
	bool has_null = false;
	lua_createtable(L, 0, static_cast<int>(count));
	for (auto i = object.begin(); i != object.end(); ++i) {
		const std::string_view key = i.key();
		if (key.find('\0') != key.npos)
			return false;
		lua_pushlstring(L, key.data(), key.size());
		lua_pushvalue(L, -1);
		if (lua_rawget(L, -3) != LUA_TNIL)
			return false;
		lua_pop(L, 1);
		const dom::element value = i.value();
		/* Something has to be there, so that the key is not taken a second time. */
		if (value.is_null())
			lua_pushboolean(L, has_null = true);
		else if (!push_json_value(L, walk, value, depth))
			return false;
		lua_rawset(L, -3);
	}
	for (auto i = object.begin(); has_null && i != object.end(); ++i) {
		if (!i.value().is_null())
			continue;
		lua_pushlstring(L, i.key().data(), i.key().size());
		lua_pushnil(L);
		lua_rawset(L, -3);
	}
	return true;
}

static bool push_array(lua_State *L, const walk &walk, dom::array array, int depth) {
	lua_createtable(L, static_cast<int>(array.size()), 0);
	lua_Integer n = 0;
	for (auto i = array.begin(); i != array.end(); ++i) {
		if (!push_json_value(L, walk, *i, depth))
			return false;
		lua_rawseti(L, -2, ++n);
	}
	return true;
}

/* False: jansson has to look, and what is on the stack is of no use. `depth` is how many objects and lists are around. */
static bool push_json_value(lua_State *L, const walk &walk, dom::element value, int depth) {
	luaL_checkstack(L, 8, "JSON");
	switch (value.type()) {
	case dom::element_type::OBJECT:
		return depth < REEF_LOAD_MAX_DEPTH && push_object(L, walk, value.get_object().value_unsafe(), depth + 1);
	case dom::element_type::ARRAY:
		return depth < REEF_LOAD_MAX_DEPTH && push_array(L, walk, value.get_array().value_unsafe(), depth + 1);
	case dom::element_type::STRING: {
		const std::string_view text = value.get_string().value_unsafe();
		lua_pushlstring(L, text.data(), text.size());
		return true;
	}
	case dom::element_type::INT64:
		lua_pushinteger(L, value.get_int64().value_unsafe());
		return true;
	case dom::element_type::DOUBLE:
		lua_pushnumber(L, value.get_double().value_unsafe());
		return true;
	case dom::element_type::BOOL:
		lua_pushboolean(L, value.get_bool().value_unsafe());
		return true;
	default:
		return false;
	}
}

/* (walk) -> value, or nothing if jansson has to look */
static int push_json(lua_State *L) {
	walk *walk = static_cast<struct walk *>(lua_touserdata(L, 1));
	lua_newtable(L);
	walk->models = 2;
	return push_json_value(L, *walk, walk->root, 0) ? 1 : 0;
}

/* Returns the status of pcall, or -1 if jansson has to look. The value, or the error, is pushed, or nil. */
static int run(lua_State *L, const char *text, size_t n) {
	dom::parser parser;
	std::unique_ptr<shape[]> shapes(new (std::nothrow) shape[max_shapes]);
	walk walk;
	if (!shapes || parser.parse(text, n, true).get(walk.root) != simdjson::SUCCESS)
		return -1;
	walk.shapes = shapes.get();
	for (size_t i = 0; i < max_shapes; i++)
		shapes[i].hash = 0, shapes[i].users = 0;
	lua_pushcfunction(L, push_json);
	lua_pushlightuserdata(L, &walk);
	return lua_pcall(L, 1, 1, 0);
}

bool reef_load_json_fast(lua_State *L, const char *text, size_t n) {
	const int top = lua_gettop(L), status = run(L, text, n);
	if (status == LUA_ERRMEM)
		lua_error(L);
	if (status == LUA_OK && !lua_isnil(L, -1))
		return true;
	lua_settop(L, top);
	return false;
}

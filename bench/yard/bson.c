/* libbson doing the work of bench/bson.lua and bench/sproto.lua: the yardstick. `yard_bson DIRECTORY NAME...`, where NAME.json
 * is in the directory.
 *
 * encode: a document is built by bson_append. decode: a document is iterated, all values looked at, and then a Lua table
 * of the same content is created, sizes known beforehand. Both work from the same tree of nodes. */
#include <bson/bson.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct node {
	const char *key;
	int key_size;
	bson_value_t value;
	struct node *children;
	int count;
};

static double seconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void load(struct node *node, bson_iter_t *it) {
	bson_iter_t count = *it;
	while (bson_iter_next(&count))
		node->count++;
	node->children = calloc((size_t)node->count + 1, sizeof(struct node));
	for (struct node *child = node->children; bson_iter_next(it); child++) {
		bson_iter_t inner;
		child->key = strdup(bson_iter_key(it));
		child->key_size = (int)strlen(child->key);
		bson_value_copy(bson_iter_value(it), &child->value);
		if (bson_iter_recurse(it, &inner))
			load(child, &inner);
	}
}

static void build(const struct node *node, bson_t *out) {
	for (const struct node *c = node->children; c < node->children + node->count; c++) {
		bson_t inner;
		switch (c->value.value_type) {
		case BSON_TYPE_DOCUMENT:
			bson_append_document_begin(out, c->key, c->key_size, &inner);
			build(c, &inner);
			bson_append_document_end(out, &inner);
			break;
		case BSON_TYPE_ARRAY:
			bson_append_array_begin(out, c->key, c->key_size, &inner);
			build(c, &inner);
			bson_append_array_end(out, &inner);
			break;
		default:
			bson_append_value(out, c->key, c->key_size, &c->value);
		}
	}
}

static size_t look(bson_iter_t *it) {
	size_t sum = 0;
	while (bson_iter_next(it)) {
		bson_iter_t inner;
		sum += (size_t)bson_iter_key(it)[0];
		if (bson_iter_recurse(it, &inner))
			sum += look(&inner);
		else
			sum += (size_t)bson_iter_value(it)->value_type;
	}
	return sum;
}

static void push(lua_State *L, const struct node *node);

static void push_value(lua_State *L, const struct node *c) {
	const bson_value_t *v = &c->value;
	char tagged[64] = {0};
	switch (v->value_type) {
	case BSON_TYPE_DOCUMENT:
	case BSON_TYPE_ARRAY:
		push(L, c);
		break;
	case BSON_TYPE_UTF8:
		lua_pushlstring(L, v->value.v_utf8.str, v->value.v_utf8.len);
		break;
	case BSON_TYPE_INT32:
		lua_pushinteger(L, v->value.v_int32);
		break;
	case BSON_TYPE_INT64:
		lua_pushinteger(L, v->value.v_int64);
		break;
	case BSON_TYPE_DOUBLE:
		lua_pushnumber(L, v->value.v_double);
		break;
	case BSON_TYPE_BOOL:
		lua_pushboolean(L, v->value.v_bool);
		break;
	case BSON_TYPE_BINARY:
		lua_pushlstring(L, (const char *)v->value.v_binary.data, v->value.v_binary.data_len);
		break;
	default:
		tagged[1] = (char)v->value_type;
		memcpy(tagged + 2, &v->value, 12);
		lua_pushlstring(L, tagged, 14);
	}
}

static void push(lua_State *L, const struct node *node) {
	bool is_array = node->value.value_type == BSON_TYPE_ARRAY;
	lua_createtable(L, is_array ? node->count : 0, is_array ? 0 : node->count);
	for (int i = 0; i < node->count; i++) {
		const struct node *c = &node->children[i];
		if (!is_array)
			lua_pushlstring(L, c->key, (size_t)c->key_size);
		push_value(L, c);
		if (is_array)
			lua_rawseti(L, -2, i + 1);
		else
			lua_rawset(L, -3);
	}
}

static void report(const char *what, const char *name, double cpu, double wall, int n) {
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	printf("RESULT libbson_%s_%s cpu=%.9g wall=%.9g\n", what, name, cpu / n * 1e6, wall / n * 1e6);
}

static void measure(lua_State *L, const char *directory, const char *name) {
	char path[4096];
	const int n = strcmp(name, "ten") == 0 ? 500000 : 20000;
	size_t sum = 0;
	bson_error_t error;
	bson_iter_t it;
	struct node root = {0};
	snprintf(path, sizeof(path), "%s/%s.json", directory, name);
	bson_json_reader_t *reader = bson_json_reader_new_from_file(path, &error);
	bson_t document = BSON_INITIALIZER;
	if (reader == NULL || bson_json_reader_read(reader, &document, &error) != 1) {
		fprintf(stderr, "%s: %s\n", path, error.message);
		exit(1);
	}
	bson_json_reader_destroy(reader);
	bson_iter_init(&it, &document);
	load(&root, &it);

	double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
	for (int i = 0; i < n; i++) {
		bson_t *out = bson_new();
		build(&root, out);
		sum += out->len;
		bson_destroy(out);
	}
	report("encode", name, cpu, wall, n);

	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
	for (int i = 0; i < n; i++) {
		bson_iter_init(&it, &document);
		sum += look(&it);
		push(L, &root);
		lua_pop(L, 1);
	}
	report("decode", name, cpu, wall, n);
	bson_destroy(&document);
	if (sum == 0)
		abort();
}

int main(int argc, char **argv) {
	lua_State *L = luaL_newstate();
	/* As the services' VMs are. */
	lua_gc(L, LUA_GCGEN, 0, 0);
	for (int i = 2; i < argc; i++)
		measure(L, argv[1], argv[i]);
	lua_close(L);
	return 0;
}

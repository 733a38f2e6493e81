/* libmongoc doing the work of bench/mongo.lua: the yardstick. `yard_mongo PORT`
 *
 * What 64 coroutines do there, 64 threads with a pool of clients do here. Documents are found twice, looked at value by
 * value: as they are, and creating a Lua table of each as well. */
#include <lauxlib.h>
#include <lua.h>
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static mongoc_client_t *client;
static mongoc_client_pool_t *clients;
static lua_State *L;

static double seconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void require(bool ok, const bson_error_t *error) {
	if (!ok) {
		fprintf(stderr, "%s\n", error->message);
		exit(1);
	}
}

static bson_oid_t ids[500];

static bson_t *account(bson_oid_t *id) {
	bson_t *doc = bson_new();
	bson_oid_init(id, NULL);
	BSON_APPEND_OID(doc, "_id", id);
	BSON_APPEND_UTF8(doc, "name", "somebody");
	BSON_APPEND_DOUBLE(doc, "balance", 100.5);
	BSON_APPEND_INT32(doc, "level", 7);
	BSON_APPEND_BOOL(doc, "active", true);
	BSON_APPEND_UTF8(doc, "note", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	return doc;
}

static void insert_one(mongoc_collection_t *c, int i) {
	bson_error_t error;
	bson_t *doc = account(&ids[i]);
	require(mongoc_collection_insert_one(c, doc, NULL, NULL, &error), &error);
	bson_destroy(doc);
}

static void insert_many(mongoc_collection_t *c, int round) {
	bson_error_t error;
	bson_oid_t id;
	(void)round;
	bson_t *docs[1000];
	for (int i = 0; i < 1000; i++)
		docs[i] = account(&id);
	require(mongoc_collection_insert_many(c, (const bson_t **)docs, 1000, NULL, NULL, &error), &error);
	for (int i = 0; i < 1000; i++)
		bson_destroy(docs[i]);
}

/* What is found later, and warms up. */
static void fill(void) {
	mongoc_collection_t *c = mongoc_client_get_collection(client, "bench_yard", "many");
	for (int i = 0; i < 10; i++)
		insert_many(c, i);
	mongoc_collection_destroy(c);
}

static void push(const bson_value_t *v) {
	char tagged[14] = {0, 7};
	switch (v->value_type) {
	case BSON_TYPE_UTF8:
		lua_pushlstring(L, v->value.v_utf8.str, v->value.v_utf8.len);
		break;
	case BSON_TYPE_INT32:
		lua_pushinteger(L, v->value.v_int32);
		break;
	case BSON_TYPE_DOUBLE:
		lua_pushnumber(L, v->value.v_double);
		break;
	case BSON_TYPE_BOOL:
		lua_pushboolean(L, v->value.v_bool);
		break;
	case BSON_TYPE_OID:
		memcpy(tagged + 2, v->value.v_oid.bytes, 12);
		lua_pushlstring(L, tagged, sizeof(tagged));
		break;
	default:
		abort();
	}
}

static void look_at(const bson_t *doc) {
	bson_iter_t it;
	for (bson_iter_init(&it, doc); bson_iter_next(&it);)
		if (bson_iter_value(&it) == NULL)
			abort();
}

static void make_table(const bson_t *doc) {
	bson_iter_t it;
	lua_createtable(L, 0, (int)bson_count_keys(doc));
	for (bson_iter_init(&it, doc); bson_iter_next(&it);) {
		lua_pushlstring(L, bson_iter_key(&it), bson_iter_key_len(&it));
		push(bson_iter_value(&it));
		lua_rawset(L, -3);
	}
	lua_pop(L, 1);
}

static int find(mongoc_collection_t *c, const bson_t *filter, const bson_t *options, void (*use)(const bson_t *doc)) {
	bson_error_t error;
	const bson_t *doc;
	int found = 0;
	mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(c, filter, options, NULL);
	while (mongoc_cursor_next(cursor, &doc)) {
		use(doc);
		found++;
	}
	require(!mongoc_cursor_error(cursor, &error), &error);
	mongoc_cursor_destroy(cursor);
	return found;
}

static void find_one(mongoc_collection_t *c, int i) {
	bson_t *filter = BCON_NEW("_id", BCON_OID(&ids[i % 500]));
	bson_t *options = BCON_NEW("limit", BCON_INT64(1), "singleBatch", BCON_BOOL(true));
	if (find(c, filter, options, look_at) != 1)
		abort();
	bson_destroy(filter);
	bson_destroy(options);
}

static void find_all(mongoc_collection_t *c, void (*use)(const bson_t *doc)) {
	bson_t filter = BSON_INITIALIZER;
	bson_t *options = BCON_NEW("batchSize", BCON_INT32(1000));
	if (find(c, &filter, options, use) != 10000)
		abort();
	bson_destroy(options);
}

static void find_all_bare(mongoc_collection_t *c, int i) {
	(void)i;
	find_all(c, look_at);
}

static void find_all_tables(mongoc_collection_t *c, int i) {
	(void)i;
	find_all(c, make_table);
}

static void *find_some(void *argument) {
	const int *rounds = argument;
	mongoc_client_t *own = mongoc_client_pool_pop(clients);
	mongoc_collection_t *c = mongoc_client_get_collection(own, "bench_yard", "one");
	for (int i = 0; i < *rounds; i++)
		find_one(c, i);
	mongoc_collection_destroy(c);
	mongoc_client_pool_push(clients, own);
	return NULL;
}

static void find_together(mongoc_collection_t *c, int rounds) {
	pthread_t threads[64];
	(void)c;
	for (int i = 0; i < 64; i++)
		if (pthread_create(&threads[i], NULL, find_some, &rounds) != 0)
			abort();
	for (int i = 0; i < 64; i++)
		pthread_join(threads[i], NULL);
}

static void find_64(mongoc_collection_t *c, int i) {
	if (i == 0)
		find_together(c, 30);
}

static void measure(const char *name, const char *collection, void (*work)(mongoc_collection_t *c, int i), int n) {
	mongoc_collection_t *c = mongoc_client_get_collection(client, "bench_yard", collection);
	double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
	for (int i = 0; i < n; i++)
		work(c, i);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	printf("RESULT mongoc_%s cpu=%.9g wall=%.9g\n", name, cpu / n * 1e6, wall / n * 1e6);
	mongoc_collection_destroy(c);
}

int main(int argc, char **argv) {
	char uri[64];
	bson_error_t error;
	mongoc_init();
	snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%s/", argc > 1 ? argv[1] : "27017");
	printf("VERSION libmongoc %s\n", mongoc_get_version());
	client = mongoc_client_new(uri);
	mongoc_uri_t *parsed = mongoc_uri_new(uri);
	clients = mongoc_client_pool_new(parsed);
	mongoc_uri_destroy(parsed);
	L = luaL_newstate();
	/* As the services' VMs are. */
	lua_gc(L, LUA_GCGEN, 0, 0);
	mongoc_database_t *db = mongoc_client_get_database(client, "bench_yard");
	require(mongoc_database_drop(db, &error), &error);
	mongoc_database_destroy(db);
	measure("insert_1", "one", insert_one, 500);
	fill();
	measure("insert_1000", "more", insert_many, 30);
	measure("find_1", "one", find_one, 1000);
	find_together(NULL, 1); /* connects */
	measure("find_64", "one", find_64, 64 * 30);
	measure("find_10000", "many", find_all_bare, 5);
	measure("find_10000_tables", "many", find_all_tables, 5);
	lua_close(L);
	mongoc_client_pool_destroy(clients);
	mongoc_client_destroy(client);
	mongoc_cleanup();
	return 0;
}

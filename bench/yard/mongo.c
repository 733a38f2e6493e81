/* libmongoc doing the work of bench/mongo.lua, which has left its data: the yardstick. `yard_mongo PORT` */
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static mongoc_client_t *client;

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

static bson_t *account(int i) {
	bson_t *doc = bson_new();
	BSON_APPEND_INT32(doc, "_id", i);
	BSON_APPEND_UTF8(doc, "name", "somebody");
	BSON_APPEND_DOUBLE(doc, "balance", 100.5);
	BSON_APPEND_INT32(doc, "level", 7);
	BSON_APPEND_BOOL(doc, "active", true);
	BSON_APPEND_UTF8(doc, "note", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	return doc;
}

static void insert_one(mongoc_collection_t *c, int i) {
	bson_error_t error;
	bson_t *doc = account(i);
	require(mongoc_collection_insert_one(c, doc, NULL, NULL, &error), &error);
	bson_destroy(doc);
}

static void insert_many(mongoc_collection_t *c, int round) {
	bson_error_t error;
	bson_t *docs[1000];
	for (int i = 0; i < 1000; i++)
		docs[i] = account(round * 1000 + i);
	require(mongoc_collection_insert_many(c, (const bson_t **)docs, 1000, NULL, NULL, &error), &error);
	for (int i = 0; i < 1000; i++)
		bson_destroy(docs[i]);
}

/* Looks at every value, as who reads a document does. */
static int find(mongoc_collection_t *c, const bson_t *filter, const bson_t *options) {
	bson_error_t error;
	const bson_t *doc;
	bson_iter_t it;
	int found = 0;
	mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(c, filter, options, NULL);
	while (mongoc_cursor_next(cursor, &doc)) {
		for (bson_iter_init(&it, doc); bson_iter_next(&it);)
			found += bson_iter_value(&it) == NULL;
		found++;
	}
	require(!mongoc_cursor_error(cursor, &error), &error);
	mongoc_cursor_destroy(cursor);
	return found;
}

static void find_one(mongoc_collection_t *c, int i) {
	bson_t *filter = BCON_NEW("_id", BCON_INT32(i % 500));
	bson_t *options = BCON_NEW("limit", BCON_INT64(1), "singleBatch", BCON_BOOL(true));
	if (find(c, filter, options) != 1)
		abort();
	bson_destroy(filter);
	bson_destroy(options);
}

static void find_all(mongoc_collection_t *c, int i) {
	(void)i;
	bson_t filter = BSON_INITIALIZER;
	bson_t *options = BCON_NEW("batchSize", BCON_INT32(1000));
	if (find(c, &filter, options) != 10000)
		abort();
	bson_destroy(options);
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
	client = mongoc_client_new(uri);
	mongoc_database_t *db = mongoc_client_get_database(client, "bench_yard");
	require(mongoc_database_drop(db, &error), &error);
	mongoc_database_destroy(db);
	measure("insert_1", "one", insert_one, 500);
	measure("insert_1000", "many", insert_many, 10);
	measure("find_1", "one", find_one, 1000);
	measure("find_10000", "many", find_all, 5);
	mongoc_client_destroy(client);
	mongoc_cleanup();
	return 0;
}

/* libmongoc doing the work of bench/driverbench.lua: the yardstick. `yard_driverbench PORT DIRECTORY`, where the documents are
 * that the other has written. Documents are looked at value by value when they are found. */
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ONE = 500, MANY = 2000, LARGE = 4, FILE_SIZE = 16 << 20 };

static const char *directory;
static mongoc_database_t *db;
static double cpu, wall;

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

static void begin(void) {
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	wall = seconds(CLOCK_MONOTONIC);
}

static void end(const char *name, const char *of, size_t bytes) {
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	printf("RESULT mongoc_db_%s%s wall=%.9g cpu=%.9g\n", name, of, (double)bytes / wall / 1e6,
		   (double)bytes / cpu / 1e6);
}

static bson_t *load(const char *name) {
	char path[4096];
	bson_error_t error;
	bson_t *doc = bson_new();
	snprintf(path, sizeof(path), "%s/%s.json", directory, name);
	bson_json_reader_t *reader = bson_json_reader_new_from_file(path, &error);
	require(reader != NULL && bson_json_reader_read(reader, doc, &error) == 1, &error);
	bson_json_reader_destroy(reader);
	return doc;
}

static void insert(const char *name, int n) {
	bson_error_t error;
	bson_t *doc = load(name);
	mongoc_collection_t *c = mongoc_database_get_collection(db, name);
	begin();
	for (int i = 0; i < n; i++)
		require(mongoc_collection_insert_one(c, doc, NULL, NULL, &error), &error);
	end("insert_", name, (size_t)n * doc->len);
	mongoc_collection_destroy(c);
	bson_destroy(doc);
}

static void bulk(const char *name, int n) {
	char collection[64];
	bson_error_t error;
	bson_t *doc = load(name);
	const bson_t **docs = calloc((size_t)n, sizeof(*docs));
	for (int i = 0; i < n; i++)
		docs[i] = doc;
	snprintf(collection, sizeof(collection), "bulk_%s", name);
	mongoc_collection_t *c = mongoc_database_get_collection(db, collection);
	begin();
	require(mongoc_collection_insert_many(c, docs, (size_t)n, NULL, NULL, &error), &error);
	end("bulk_", name, (size_t)n * doc->len);
	mongoc_collection_destroy(c);
	bson_destroy(doc);
	free(docs);
}

static size_t look_at(const bson_t *doc) {
	bson_iter_t it;
	size_t values = 0;
	for (bson_iter_init(&it, doc); bson_iter_next(&it);)
		values += bson_iter_value(&it) != NULL;
	return values;
}

static int find(mongoc_collection_t *c, const bson_t *filter, const bson_t *options) {
	bson_error_t error;
	const bson_t *doc;
	int found = 0;
	mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(c, filter, options, NULL);
	while (mongoc_cursor_next(cursor, &doc))
		found += look_at(doc) > 0;
	require(!mongoc_cursor_error(cursor, &error), &error);
	mongoc_cursor_destroy(cursor);
	return found;
}

static void find_all(void) {
	bson_error_t error;
	bson_t *doc = load("message"), *docs[MANY];
	bson_oid_t ids[MANY];
	mongoc_collection_t *c = mongoc_database_get_collection(db, "message");
	for (int i = 0; i < MANY; i++) {
		docs[i] = bson_new();
		bson_oid_init(&ids[i], NULL);
		BSON_APPEND_OID(docs[i], "_id", &ids[i]);
		bson_concat(docs[i], doc);
	}
	require(mongoc_collection_insert_many(c, (const bson_t **)docs, MANY, NULL, NULL, &error), &error);
	bson_t *options = BCON_NEW("limit", BCON_INT64(1), "singleBatch", BCON_BOOL(true)), none = BSON_INITIALIZER;
	begin();
	for (int i = 0; i < ONE; i++) {
		bson_t *filter = BCON_NEW("_id", BCON_OID(&ids[i]));
		if (find(c, filter, options) != 1)
			abort();
		bson_destroy(filter);
	}
	end("find_one", "", (size_t)ONE * doc->len);
	begin();
	if (find(c, &none, NULL) != MANY)
		abort();
	end("find_many", "", (size_t)MANY * doc->len);
	for (int i = 0; i < MANY; i++)
		bson_destroy(docs[i]);
	bson_destroy(options);
	bson_destroy(doc);
	mongoc_collection_destroy(c);
}

static void files(void) {
	char path[4096];
	bson_error_t error;
	bson_value_t id;
	mongoc_gridfs_bucket_t *bucket = mongoc_gridfs_bucket_new(db, NULL, NULL, &error);
	require(bucket != NULL, &error);
	snprintf(path, sizeof(path), "%s/file", directory);
	mongoc_stream_t *stream = mongoc_stream_file_new_for_path(path, O_RDONLY, 0);
	begin();
	require(mongoc_gridfs_bucket_upload_from_stream(bucket, "file", stream, NULL, &id, &error), &error);
	end("upload", "", FILE_SIZE);
	mongoc_stream_destroy(stream);
	stream = mongoc_stream_file_new_for_path("/dev/null", O_WRONLY, 0);
	begin();
	require(mongoc_gridfs_bucket_download_to_stream(bucket, &id, stream, &error), &error);
	end("download", "", FILE_SIZE);
	mongoc_stream_destroy(stream);
	bson_value_destroy(&id);
	mongoc_gridfs_bucket_destroy(bucket);
}

int main(int argc, char **argv) {
	char uri[64];
	bson_error_t error;
	if (argc != 3)
		return 2;
	directory = argv[2];
	mongoc_init();
	snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%s/", argv[1]);
	mongoc_client_t *client = mongoc_client_new(uri);
	db = mongoc_client_get_database(client, "driverbench_c");
	require(mongoc_database_drop(db, &error), &error);
	insert("small", ONE);
	insert("large", LARGE);
	bulk("small", MANY);
	bulk("large", LARGE);
	find_all();
	files();
	mongoc_database_destroy(db);
	mongoc_client_destroy(client);
	mongoc_cleanup();
	return 0;
}

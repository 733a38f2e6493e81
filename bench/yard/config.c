/* The bare libraries on the files of bench/config.lua, each value looked at once: `yard_config FILE.csv FILE.json`. */
#include <csv.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double cpu(void) {
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static char *read_file(const char *path, size_t *size) {
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	fseek(file, 0, SEEK_END);
	*size = (size_t)ftell(file);
	rewind(file);
	char *text = malloc(*size);
	if (fread(text, 1, *size, file) != *size)
		exit(1);
	fclose(file);
	return text;
}

static size_t bytes, rows;

static void on_field(void *field, size_t n, void *ud) {
	(void)field;
	(void)ud;
	bytes += n;
}

static void on_row(int end, void *ud) {
	(void)end;
	(void)ud;
	rows++;
}

static void visit(json_t *value) {
	rows++;
	for (void *i = json_object_iter(value); i; i = json_object_iter_next(value, i))
		visit(json_object_iter_value(i));
	for (size_t i = 0; i < json_array_size(value); i++)
		visit(json_array_get(value, i));
	bytes += json_string_length(value);
}

int main(int argc, char **argv) {
	if (argc != 3)
		return 2;
	size_t n;
	char *text = read_file(argv[1], &n);
	double start = cpu();
	struct csv_parser parser;
	csv_init(&parser, CSV_STRICT);
	if (csv_parse(&parser, text, n, on_field, on_row, NULL) != n)
		return 1;
	csv_fini(&parser, on_field, on_row, NULL);
	csv_free(&parser);
	double ms = cpu() - start;
	printf("RESULT libcsv cpu=%.6g mb=%.6g rows=%zu\n", ms, (double)n / ms / 1e3, rows);
	free(text);
	text = read_file(argv[2], &n);
	start = cpu();
	json_t *root = json_loadb(text, n, 0, NULL);
	if (root == NULL)
		return 1;
	visit(root);
	json_decref(root);
	ms = cpu() - start;
	printf("RESULT jansson cpu=%.6g mb=%.6g rows=%zu\n", ms, (double)n / ms / 1e3, bytes);
	free(text);
	return 0;
}

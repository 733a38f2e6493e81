/* Any bytes as messages of the wire protocol: refused, incomplete, or walked to the end within their bounds. */
#include "drivers/mongo/wire.h"

#include <stdlib.h>
#include <string.h>

#include "drivers/bson/reader.h"
#include "drivers/bson/writer.h"
#include "drivers/mongo/compress.h"

static void require(bool condition) {
	if (!condition) {
		abort();
	}
}

static void walk(const struct reef_wire_message *m, const uint8_t *end) {
	struct reef_wire_sequence s;
	size_t at = 0;
	require(m->body >= m->sections && m->body + m->body_size <= end);
	(void)reef_bson_reader_check(m->body, m->body_size, 1);
	while (reef_wire_next_sequence(m, &at, &s)) {
		require(s.documents <= s.end && s.end <= end && at <= m->sections_size);
		for (const uint8_t *p = s.documents; p < s.end; p += reef_get32(p)) {
			(void)reef_bson_reader_check(p, reef_get32(p), 1);
		}
	}
}

/* The same bytes as a compressed message: expanded within the limit, and then as above. */
static void expand(const uint8_t *bytes, size_t size) {
	struct reef_writer out;
	reef_writer_init(&out, 1 << 20);
	if (reef_compress_is(bytes, size) && reef_compress_expand(&out, bytes, size) == NULL) {
		struct reef_wire_message m;
		const char *error = NULL;
		require(out.size <= 1 << 20);
		if (reef_wire_parse(out.data, out.size, &m, &error) > 0) {
			walk(&m, out.data + m.size);
		}
	}
	reef_writer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	/* A copy of the exact size, so that a byte read beyond it is noticed. */
	uint8_t *bytes = malloc(size > 0 ? size : 1);
	require(bytes != NULL);
	memcpy(bytes, data, size);
	expand(bytes, size);
	size_t used = 0;
	for (;;) {
		struct reef_wire_message m;
		const char *error = NULL;
		long n = reef_wire_parse(bytes + used, size - used, &m, &error);
		if (n <= 0) {
			require((n < 0) == (error != NULL));
			break;
		}
		require((size_t)n == m.size && m.size <= size - used);
		walk(&m, bytes + used + m.size);
		used += m.size;
	}
	free(bytes);
	return 0;
}

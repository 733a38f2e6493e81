/* Any bytes as frames of WebSocket, compressed or not: never a crash, no message beyond the limit, and however they are cut,
 * the same messages.
 *
 * The first byte of the input says which end reads them, whether compressed ones may come, and how long the pieces are. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "drivers/http/frames.h"

#define MOST 1000

struct story {
	char *text;
	size_t size;
};

static void tell(struct story *s, const void *bytes, size_t n) {
	s->text = realloc(s->text, s->size + n + 1);
	if (n > 0)
		memcpy(s->text + s->size, bytes, n);
	s->size += n;
}

static struct story read_all(const uint8_t *bytes, size_t size, size_t step, uint8_t kind) {
	static const struct reef_deflate_options deflate = {.send_bits = 9, .receive_bits = 15, .level = 1};
	struct reef_frames f;
	struct story story = {0};
	if (!reef_frames_init(&f, kind & 1, MOST, kind & 2 ? &deflate : NULL))
		abort();
	bool good = true;
	for (size_t at = 0; at < size && good; at += step) {
		size_t n = step < size - at ? step : size - at;
		good = reef_frames_feed(&f, (const char *)bytes + at, n);
		struct reef_frames_message *m;
		while ((m = reef_frames_take(&f)) != NULL) {
			if (m->size > MOST)
				abort();
			tell(&story, &m->opcode, sizeof m->opcode);
			tell(&story, m->bytes, m->size);
			reef_free(m);
		}
	}
	reef_frames_fini(&f);
	return story;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 2)
		return 0;
	struct story whole = read_all(data + 1, size - 1, size, data[0]);
	struct story pieces = read_all(data + 1, size - 1, (size_t)(data[0] >> 2) + 1, data[0]);
	if (whole.size != pieces.size || (whole.size > 0 && memcmp(whole.text, pieces.text, whole.size) != 0)) {
		fprintf(stderr, "cut into pieces it is read in another way\n");
		abort();
	}
	free(whole.text);
	free(pieces.text);
	return 0;
}

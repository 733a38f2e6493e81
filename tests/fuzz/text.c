/* Whatever text is cleaned, what comes out is UTF-8 without control characters, cleaning it again changes nothing in what
 * is printable, and nothing before the @ of a URI comes through. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/clean.h"
#include "core/redact.h"
#include "core/text.h"

static void check_printable(const struct reef_text *t) {
	for (size_t i = 0; i < t->size; i++) {
		unsigned char c = (unsigned char)t->data[i], next = i + 1 < t->size ? (unsigned char)t->data[i + 1] : 0;
		assert(c >= 0x20 || c == '\n' || c == '\t');
		assert(c != 0x7f && !(c == 0xc2 && next >= 0x80 && next < 0xa0));
	}
	struct reef_text again = {0};
	reef_text_add_printable(&again, t->data ? t->data : "", t->size);
	assert(again.size == t->size && memcmp(again.data ? again.data : "", t->data ? t->data : "", t->size) == 0);
	reef_text_free(&again);
}

/* The input, without white space and with the word in the middle, as a password. */
static void check_password(const char *bytes, size_t size) {
	static const char word[] = "s3cr3t-7e1f", before[] = "at redis://:", behind[] = "@host";
	struct reef_text uri = {0}, redacted = {0};
	reef_text_add(&uri, before, sizeof before - 1);
	for (size_t i = 0; i <= size; i++) {
		if (i == size / 2)
			reef_text_add(&uri, word, sizeof word - 1);
		if (i < size && (unsigned char)bytes[i] > ' ')
			reef_text_add(&uri, bytes + i, 1);
	}
	reef_text_add(&uri, behind, sizeof behind - 1);
	reef_redact_add(&redacted, uri.data, uri.size);
	assert(memmem(redacted.data, redacted.size, word, sizeof word - 1) == NULL);
	reef_text_free(&uri);
	reef_text_free(&redacted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const char *bytes = (const char *)data;
	struct reef_text t = {0};
	reef_clean_add(&t, bytes, size);
	check_printable(&t);
	reef_text_free(&t);
	check_password(bytes, size);
	return 0;
}

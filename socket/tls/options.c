/* See options.h. */
#include "options.h"

#include <openssl/crypto.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/alloc.h"

#define TEXT(name) offsetof(struct reef_tls_options, name)

static const size_t texts[] = {TEXT(ca_file),  TEXT(ca_dir),  TEXT(cert_file), TEXT(key_file),
							   TEXT(password), TEXT(ciphers), TEXT(alpn)};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static const char *text_at(const struct reef_tls_options *o, int i) {
	return *(const char *const *)(const void *)((const char *)o + texts[i]);
}

static bool same_text(const char *a, const char *b) {
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool reef_tls_options_equal(const struct reef_tls_options *a, const struct reef_tls_options *b) {
	for (int i = 0; i < TEXTS; i++) {
		if (!same_text(text_at(a, i), text_at(b, i)))
			return false;
	}
	return a->server == b->server && a->trust_anybody == b->trust_anybody && a->any_name == b->any_name &&
		   a->partial_chain == b->partial_chain && a->client_certificates == b->client_certificates &&
		   a->only_13 == b->only_13;
}

void reef_tls_options_copy(struct reef_tls_options *copy, const struct reef_tls_options *options) {
	*copy = *options;
	for (int i = 0; i < TEXTS; i++) {
		const char *text = text_at(options, i);
		*(char **)(void *)((char *)copy + texts[i]) = text ? reef_strdup(text) : NULL;
	}
}

void reef_tls_options_fini(struct reef_tls_options *copy) {
	if (copy->password)
		OPENSSL_cleanse((char *)(uintptr_t)copy->password, strlen(copy->password));
	for (int i = 0; i < TEXTS; i++)
		reef_free(*(char **)(void *)((char *)copy + texts[i]));
}

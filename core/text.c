/* Text that grows, and what is printable in it: see text.h. */
#include "text.h"

#include <stdint.h>
#include <string.h>

#include "alloc.h"

#define FIRST_CAPACITY 256

static bool grow_text(struct reef_text *t, size_t size) {
	if (t->capacity - t->size >= size)
		return true;
	size_t capacity = t->capacity ? t->capacity : FIRST_CAPACITY;
	while (capacity - t->size < size) {
		if (capacity > SIZE_MAX / 2)
			return false;
		capacity *= 2;
	}
	char *data = reef_try_realloc(t->data, capacity);
	if (data == NULL)
		return false;
	t->data = data;
	t->capacity = capacity;
	return true;
}

void reef_text_add(struct reef_text *t, const char *bytes, size_t size) {
	if (size == 0)
		return;
	if (!grow_text(t, size)) {
		t->failed = true;
		return;
	}
	memcpy(t->data + t->size, bytes, size);
	t->size += size;
}

static void add_escaped(struct reef_text *t, const unsigned char *bytes, size_t size) {
	for (size_t i = 0; i < size; i++) {
		const char *digits = "0123456789abcdef";
		const char escape[4] = {'\\', 'x', digits[bytes[i] >> 4], digits[bytes[i] & 15]};
		reef_text_add(t, escape, sizeof escape);
	}
}

/* The length of the UTF-8 sequence at p (RFC 3629, section 4: no overlong forms, no surrogates); 0: there is none. */
static size_t utf8_length(const unsigned char *p, size_t left, uint32_t *code) {
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
	*code = p[0];
	if (n <= 1)
		return n;
	if (n > left || p[0] > 0xf4)
		return 0;
	*code = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3f);
	}
	return *code < smallest[n] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff) ? 0 : n;
}

static bool is_shown(uint32_t code) {
	if (code < 0x20)
		return code == '\n' || code == '\t';
	return !(code >= 0x7f && code <= 0x9f) && !(code >= 0x2028 && code <= 0x202e) &&
		   !(code >= 0x2066 && code <= 0x2069);
}

static size_t plain_prefix(const unsigned char *p, size_t size) {
	size_t i = 0;
	while (i < size && ((p[i] >= 0x20 && p[i] < 0x7f) || p[i] == '\n' || p[i] == '\t'))
		i++;
	return i;
}

void reef_text_add_printable(struct reef_text *t, const char *text, size_t size) {
	const unsigned char *p = (const unsigned char *)text, *end = p + size;
	while (p < end) {
		size_t n = plain_prefix(p, (size_t)(end - p));
		reef_text_add(t, (const char *)p, n);
		p += n;
		if (p == end)
			break;
		uint32_t code;
		n = utf8_length(p, (size_t)(end - p), &code);
		if (n > 0 && is_shown(code))
			reef_text_add(t, (const char *)p, n);
		else
			add_escaped(t, p, n > 0 ? n : 1);
		p += n > 0 ? n : 1;
	}
}

void reef_text_free(struct reef_text *t) {
	reef_free(t->data);
	*t = (struct reef_text){0};
}

bool reef_text_is_one_away(const char *a, const char *b) {
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	if (*a == '\0' && *b == '\0')
		return false;
	bool missing = strcmp(a, *b ? b + 1 : b) == 0 && *b, extra = *a && strcmp(a + 1, b) == 0;
	bool changed = *a && *b && strcmp(a + 1, b + 1) == 0;
	bool swapped = *a && *b && a[0] == b[1] && a[1] == b[0] && strcmp(a + 2, b + 2) == 0;
	return missing || extra || changed || swapped;
}

/* See compress.h. */
#include "compress.h"

#include <string.h>
#include <strings.h>

#include "wire.h"

#ifdef REEF_ZLIB
#include <zlib.h>
#endif
#ifdef REEF_ZSTD
#include <zstd.h>
#endif
#ifdef REEF_SNAPPY
#include <snappy-c.h>
#endif

/* Behind the header: the kind of the message within, its size without header, the compressor. */
#define EXTRA 9u
#define ZSTD_LEVEL 3

static const char *const names[] = {
#ifdef REEF_ZSTD
		"zstd",
#endif
#ifdef REEF_ZLIB
		"zlib",
#endif
#ifdef REEF_SNAPPY
		"snappy",
#endif
		NULL,
};

const char *const *reef_compress_names(void) {
	return names;
}

enum reef_compressor reef_compress_find(const char *name) {
	static const char *const all[] = {"", "snappy", "zlib", "zstd"};
	for (size_t i = 0; names[i]; i++) {
		for (int how = REEF_COMPRESS_SNAPPY; strcmp(names[i], name) == 0 && how <= REEF_COMPRESS_ZSTD; how++) {
			if (strcmp(all[how], name) == 0)
				return (enum reef_compressor)how;
		}
	}
	return REEF_COMPRESS_NONE;
}

bool reef_compress_is_allowed(const char *command) {
	static const char *const plain[] = {"hello",           "isMaster",       "saslStart",  "saslContinue",
										"getnonce",        "authenticate",   "createUser", "updateUser",
										"copydbSaslStart", "copydbgetnonce", "copydb",     NULL};
	for (size_t i = 0; plain[i]; i++) {
		if (strcasecmp(plain[i], command) == 0)
			return false;
	}
	return true;
}

bool reef_compress_is(const uint8_t *bytes, size_t n) {
	return n >= REEF_WIRE_HEADER && reef_get32(bytes + 12) == REEF_OP_COMPRESSED;
}

/* ---- each compressor: what n bytes may become, and becoming it; 0: that failed ---- */

static size_t compress_bound(enum reef_compressor how, size_t n) {
	switch (how) {
#ifdef REEF_ZLIB
	case REEF_COMPRESS_ZLIB:
		return compressBound((uLong)n);
#endif
#ifdef REEF_ZSTD
	case REEF_COMPRESS_ZSTD:
		return ZSTD_compressBound(n);
#endif
#ifdef REEF_SNAPPY
	case REEF_COMPRESS_SNAPPY:
		return snappy_max_compressed_length(n);
#endif
	default:
		return n;
	}
}

static size_t compress_bytes(enum reef_compressor how, int level, const uint8_t *from, size_t n, uint8_t *to,
							 size_t room) {
	(void)level;
	switch (how) {
#ifdef REEF_ZLIB
	case REEF_COMPRESS_ZLIB: {
		uLongf size = (uLongf)room;
		return compress2(to, &size, from, (uLong)n, level) == Z_OK ? size : 0;
	}
#endif
#ifdef REEF_ZSTD
	case REEF_COMPRESS_ZSTD: {
		size_t size = ZSTD_compress(to, room, from, n, ZSTD_LEVEL);
		return ZSTD_isError(size) ? 0 : size;
	}
#endif
#ifdef REEF_SNAPPY
	case REEF_COMPRESS_SNAPPY: {
		size_t size = room;
		return snappy_compress((const char *)from, n, (char *)to, &size) == SNAPPY_OK ? size : 0;
	}
#endif
	default:
		if (n > room)
			return 0;
		memcpy(to, from, n);
		return n;
	}
}

/* Fills `to` to its end. */
static bool expand_bytes(uint8_t how, const uint8_t *from, size_t n, uint8_t *to, size_t size) {
	switch (how) {
	case REEF_COMPRESS_NONE:
		if (n != size)
			return false;
		memcpy(to, from, n);
		return true;
#ifdef REEF_ZLIB
	case REEF_COMPRESS_ZLIB: {
		uLongf got = (uLongf)size;
		return uncompress(to, &got, from, (uLong)n) == Z_OK && got == size;
	}
#endif
#ifdef REEF_ZSTD
	case REEF_COMPRESS_ZSTD:
		return ZSTD_decompress(to, size, from, n) == size;
#endif
#ifdef REEF_SNAPPY
	case REEF_COMPRESS_SNAPPY: {
		size_t got = 0;
		if (snappy_uncompressed_length((const char *)from, n, &got) != SNAPPY_OK || got != size)
			return false;
		return snappy_uncompress((const char *)from, n, (char *)to, &got) == SNAPPY_OK && got == size;
	}
#endif
	default:
		return false;
	}
}

/* ---- messages ---- */

bool reef_compress_message(struct reef_writer *out, const uint8_t *message, size_t n, enum reef_compressor how,
						   int level) {
	size_t inner = n - REEF_WIRE_HEADER, room = compress_bound(how, inner);
	out->size = 0;
	uint8_t *p = reef_writer_add(out, REEF_WIRE_HEADER + EXTRA + room);
	if (p == NULL)
		return false;
	size_t size = compress_bytes(how, level, message + REEF_WIRE_HEADER, inner, p + REEF_WIRE_HEADER + EXTRA, room);
	if (size == 0)
		return false;
	out->size = REEF_WIRE_HEADER + EXTRA + size;
	memcpy(p, message, REEF_WIRE_HEADER);
	reef_put32(p, (uint32_t)out->size);
	reef_put32(p + 12, REEF_OP_COMPRESSED);
	reef_put32(p + 16, reef_get32(message + 12));
	reef_put32(p + 20, (uint32_t)inner);
	p[24] = (uint8_t)how;
	return true;
}

const char *reef_compress_expand(struct reef_writer *out, const uint8_t *bytes, size_t n) {
	out->size = 0;
	if (n < REEF_WIRE_HEADER + EXTRA)
		return "compressed message too short";
	size_t size = reef_get32(bytes + 20);
	if (size > REEF_WIRE_MAX - REEF_WIRE_HEADER)
		return "compressed message of a length out of range";
	if (reef_get32(bytes + 16) == REEF_OP_COMPRESSED)
		return "compressed message in a compressed one";
	uint8_t *p = reef_writer_add(out, REEF_WIRE_HEADER + size);
	if (p == NULL)
		return "no memory for a message";
	memcpy(p, bytes, REEF_WIRE_HEADER);
	reef_put32(p, (uint32_t)(REEF_WIRE_HEADER + size));
	reef_put32(p + 12, reef_get32(bytes + 16));
	const uint8_t *data = bytes + REEF_WIRE_HEADER + EXTRA;
	if (!expand_bytes(bytes[24], data, n - REEF_WIRE_HEADER - EXTRA, p + REEF_WIRE_HEADER, size))
		return "compressed message that does not become what it says";
	return NULL;
}

/* See deflate.h. */
#include "drivers/http/deflate.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "core/alloc.h"

#define SMALLEST ((size_t)1024)
#define KEPT ((size_t)64 * 1024) /* bytes of a buffer that wait for the next message */
#define MEMORY_LEVEL 5           /* of zlib: 16 KB beside the window */
#define TAIL 4                   /* bytes that end each message and are not sent (RFC 7692, section 7.2.1) */

static const unsigned char tail[TAIL] = {0, 0, 0xff, 0xff};

struct reef_deflate {
	struct reef_deflate_options options;
	z_stream packer, unpacker;
	bool packs, unpacks; /* the stream has been made */
	char *bytes;
	size_t size, room;
};

struct reef_deflate *reef_deflate_new(const struct reef_deflate_options *options) {
	struct reef_deflate *d = reef_try_malloc(sizeof *d);
	if (d == NULL)
		return NULL;
	memset(d, 0, sizeof *d);
	d->options = *options;
	return d;
}

void reef_deflate_free(struct reef_deflate *d) {
	if (d == NULL)
		return;
	if (d->packs)
		(void)deflateEnd(&d->packer);
	if (d->unpacks)
		(void)inflateEnd(&d->unpacker);
	reef_free(d->bytes);
	reef_free(d);
}

static void *zlib_alloc(void *user, unsigned count, unsigned size) {
	(void)user;
	return reef_try_malloc((size_t)count * size);
}

static void zlib_free(void *user, void *block) {
	(void)user;
	reef_free(block);
}

static void begin(struct reef_deflate *d) {
	d->size = 0;
	if (d->room > KEPT) {
		reef_free(d->bytes);
		d->bytes = NULL;
		d->room = 0;
	}
}

/* Doubles the room, up to `most`, and gives it to the stream. */
static bool grow(struct reef_deflate *d, z_stream *z, size_t most) {
	size_t room = d->room ? d->room * 2 : SMALLEST;
	if (room > most)
		room = most;
	if (room > d->room) {
		char *bigger = reef_try_realloc(d->bytes, room);
		if (bigger == NULL)
			return false;
		d->bytes = bigger;
		d->room = room;
	}
	z->next_out = (unsigned char *)d->bytes + d->size;
	z->avail_out = (unsigned)(d->room - d->size);
	return true;
}

static void take_out(struct reef_deflate *d, const z_stream *z) {
	d->size = d->room - z->avail_out;
}

/* ---- packing ---- */

static bool begin_packing(struct reef_deflate *d) {
	if (d->packs)
		return true;
	d->packer = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free};
	d->packs = deflateInit2(&d->packer, d->options.level, Z_DEFLATED, -d->options.send_bits, MEMORY_LEVEL,
							Z_DEFAULT_STRATEGY) == Z_OK;
	return d->packs;
}

enum reef_deflate_result reef_deflate_pack(struct reef_deflate *d, const char *bytes, size_t n, const char **out,
										   size_t *size) {
	if (n < d->options.smallest || d->options.send_bits < 9 || n > INT_MAX)
		return REEF_DEFLATE_NOT;
	if (!begin_packing(d))
		return REEF_DEFLATE_NO_MEMORY;
	z_stream *z = &d->packer;
	begin(d);
	z->next_in = (unsigned char *)(uintptr_t)bytes;
	z->avail_in = (unsigned)n;
	z->avail_out = 0;
	do {
		if (!grow(d, z, SIZE_MAX))
			return REEF_DEFLATE_NO_MEMORY;
		(void)deflate(z, Z_SYNC_FLUSH);
		take_out(d, z);
	} while (z->avail_out == 0);
	if (d->options.send_fresh)
		(void)deflateReset(z);
	*out = d->bytes;
	*size = d->size - TAIL;
	return REEF_DEFLATE_OK;
}

/* ---- unpacking ---- */

static bool begin_unpacking(struct reef_deflate *d) {
	if (d->unpacks)
		return true;
	d->unpacker = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free};
	/* A window that is larger than the peer's reads it all the same; of 8 bits zlib knows none. */
	int bits = d->options.receive_bits < 9 ? 9 : d->options.receive_bits;
	d->unpacks = inflateInit2(&d->unpacker, -bits) == Z_OK;
	return d->unpacks;
}

/* One byte more than is allowed shows that there is more. */
static enum reef_deflate_result unpack(struct reef_deflate *d, const unsigned char *bytes, size_t n, size_t most) {
	z_stream *z = &d->unpacker;
	z->next_in = (unsigned char *)(uintptr_t)bytes;
	z->avail_in = (unsigned)n;
	for (;;) {
		if (z->avail_out == 0) {
			if (d->size > most)
				return REEF_DEFLATE_TOO_LARGE;
			if (!grow(d, z, most + 1))
				return REEF_DEFLATE_NO_MEMORY;
		}
		int error = inflate(z, Z_SYNC_FLUSH);
		take_out(d, z);
		if (d->size > most)
			return REEF_DEFLATE_TOO_LARGE;
		if (error == Z_STREAM_END && inflateReset(z) == Z_OK)
			error = Z_OK;
		if (error == Z_MEM_ERROR)
			return REEF_DEFLATE_NO_MEMORY;
		if (error != Z_OK && error != Z_BUF_ERROR)
			return REEF_DEFLATE_WRONG;
		if (z->avail_in == 0 && z->avail_out > 0)
			return REEF_DEFLATE_OK;
	}
}

enum reef_deflate_result reef_deflate_unpack(struct reef_deflate *d, const char *bytes, size_t n, size_t most,
											 const char **out, size_t *size) {
	if (n > INT_MAX || most > INT_MAX)
		return REEF_DEFLATE_TOO_LARGE;
	if (!begin_unpacking(d))
		return REEF_DEFLATE_NO_MEMORY;
	begin(d);
	d->unpacker.avail_out = 0;
	enum reef_deflate_result result = unpack(d, (const unsigned char *)bytes, n, most);
	if (result == REEF_DEFLATE_OK)
		result = unpack(d, tail, TAIL, most);
	if (result == REEF_DEFLATE_OK && d->options.receive_fresh)
		(void)inflateReset(&d->unpacker);
	*out = d->bytes;
	*size = d->size;
	return result;
}

/* The format of records: a magic, then items, each a byte that says what it is, numbers and bytes. Numbers are of variable
 * length, signed ones zigzag; times are differences to the one before. The place behind the last item is 0, or the end of
 * the file: whatever stops a process leaves a record that can be read up to there.
 *
 * A ring has, in its head, the size of a part. Behind REEF_RECORD_RING_HEAD bytes come two parts, each with its number, of 8
 * bytes, and items: the part with the lower number is read first, and 0 is none. If that is above 1, what was before is lost. In each
 * part times begin anew.
 *
 * One thread at a time has a reader; the file's bytes have to stay. */
#ifndef REEF_RECORD_FORMAT_H
#define REEF_RECORD_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEF_RECORD_MAGIC "REEFREC1"
#define REEF_RECORD_MAGIC_SIZE 8
#define REEF_RECORD_TEXT_MAX 4096 /* of names, and of what is in the head */
#define REEF_RECORD_RING_HEAD ((size_t)128 << 10)

enum reef_item_kind {
	REEF_ITEM_NOTHING,
	REEF_ITEM_HEAD,          /* text key, text value */
	REEF_ITEM_READY,         /* the head is over */
	REEF_ITEM_MESSAGE,       /* a: type and session, b: source, c: flags; time; bytes */
	REEF_ITEM_TURN,          /* an event was told: what it woke goes on */
	REEF_ITEM_DEFERRED,      /* the slice has ended */
	REEF_ITEM_ENDING,        /* the service is being released */
	REEF_ITEM_NOTE,          /* bytes: what cannot be recorded */
	REEF_ITEM_END,           /* bytes: why the record ends here */
	REEF_ITEM_VALUES,        /* bytes: what a function has returned */
	REEF_ITEM_FILE,          /* text name, text: of a Lua file that was loaded */
	REEF_ITEM_NUMBER = 0x20, /* + enum reef_seam_answer; a */
	REEF_ITEM_BYTES = 0x30,  /* + enum reef_seam_answer; bytes */
	REEF_ITEM_TEXT = 0x40,   /* + enum reef_seam_answer; a: is it a text? bytes */
	REEF_ITEM_DEED = 0x60,   /* + enum reef_seam_deed; a, b, c; bytes */
	REEF_ITEM_EVENT = 0xa0,  /* + event of a socket; a, b, c; bytes */
};

struct reef_item {
	enum reef_item_kind kind; /* without what is added */
	unsigned what;
	int64_t a, b, c;
	const char *bytes;
	size_t size;
	const char *value; /* of the head, and of files */
	size_t value_size;
	size_t offset;
};

struct reef_record_reader {
	const uint8_t *file;
	size_t size, at, end;     /* of the file; of what is read now */
	size_t part_size;         /* of a ring; 0: it is none */
	size_t newer;             /* where a ring's newer part begins, if the older one is read */
	bool ready;               /* the head is over */
	bool lost;                /* the beginning */
	int64_t time_ns, wall_ns; /* of what was read last */
	char error[160];          /* empty: the record has ended */
};

/* False: that is no record, see `error`. */
bool reef_record_reader_init(struct reef_record_reader *reader, const void *file, size_t size);
/* False: there is nothing more. If something is wrong, `error` says what and where. */
bool reef_record_read(struct reef_record_reader *reader, struct reef_item *item);

/* ---- numbers, seven bits to a byte ---- */

#define REEF_RECORD_NUMBER_MAX 10

/* Takes one from *at. False: it is cut, or, when REEF_RECORD_NUMBER_MAX bytes were taken, too long. */
static inline bool reef_record_get_size(const uint8_t **at, const uint8_t *end, uint64_t *n) {
	*n = 0;
	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		uint8_t byte = *(*at)++;
		*n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static inline int64_t reef_record_signed(uint64_t raw) {
	return (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
}

/* ---- writing: bytes go to `to`, which has room; returns what is behind them ---- */

static inline uint8_t *reef_record_put_size(uint8_t *to, uint64_t n) {
	for (; n >= 0x80; n >>= 7)
		*to++ = (uint8_t)(n | 0x80);
	*to++ = (uint8_t)n;
	return to;
}

static inline uint8_t *reef_record_put_number(uint8_t *to, int64_t n) {
	return reef_record_put_size(to, (uint64_t)n << 1 ^ (uint64_t)(n >> 63));
}

#endif

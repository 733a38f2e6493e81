/* See format.h. Whatever the bytes are, nothing is read outside them. */
#include "format.h"

#include <stdio.h>
#include <string.h>

#include "core/seam.h"

static bool fail(struct reef_record_reader *reader, const char *what) {
	snprintf(reader->error, sizeof reader->error, "%s at offset %zu", what, reader->at);
	return false;
}

bool reef_record_reader_init(struct reef_record_reader *reader, const void *file, size_t size) {
	*reader = (struct reef_record_reader){.file = file, .size = size, .end = size};
	if (size < REEF_RECORD_MAGIC_SIZE || memcmp(file, REEF_RECORD_MAGIC, REEF_RECORD_MAGIC_SIZE) != 0)
		return fail(reader, "no record of a service (the first bytes are not " REEF_RECORD_MAGIC ")");
	reader->at = REEF_RECORD_MAGIC_SIZE;
	return true;
}

static bool get_size(struct reef_record_reader *reader, uint64_t *n) {
	const uint8_t *begin = reader->file + reader->at, *at = begin, *end = reader->file + reader->end;
	bool whole = reef_record_get_size(&at, end, n);
	reader->at = (size_t)(at - reader->file);
	if (whole)
		return true;
	return fail(reader, at - begin == REEF_RECORD_NUMBER_MAX ? "a number that is too long"
															 : "the record is cut in the middle of a number");
}

static bool get_number(struct reef_record_reader *reader, int64_t *n) {
	uint64_t raw;
	if (!get_size(reader, &raw))
		return false;
	*n = reef_record_signed(raw);
	return true;
}

static bool get_bytes(struct reef_record_reader *reader, const char **bytes, size_t *size) {
	uint64_t n;
	if (!get_size(reader, &n))
		return false;
	if (n > reader->end - reader->at)
		return fail(reader, "the record is cut in the middle of bytes");
	*bytes = (const char *)reader->file + reader->at;
	*size = (size_t)n;
	reader->at += (size_t)n;
	return true;
}

static bool get_time(struct reef_record_reader *reader, int64_t *last, int64_t *time) {
	int64_t step;
	if (!get_number(reader, &step))
		return false;
	*time = *last = (int64_t)((uint64_t)*last + (uint64_t)step);
	return true;
}

static bool get_about(struct reef_record_reader *reader, struct reef_item *item) {
	return get_number(reader, &item->a) && get_number(reader, &item->b) && get_number(reader, &item->c) &&
		   get_bytes(reader, &item->bytes, &item->size);
}

static bool get_answer(struct reef_record_reader *reader, struct reef_item *item) {
	if (item->what == 0 || item->what >= REEF_SEAM_ANSWERS)
		return false;
	if (item->kind == REEF_ITEM_BYTES)
		return get_bytes(reader, &item->bytes, &item->size);
	if (item->kind == REEF_ITEM_TEXT)
		return get_number(reader, &item->a) && get_bytes(reader, &item->bytes, &item->size);
	if (item->what == REEF_SEAM_TIME)
		return get_time(reader, &reader->time_ns, &item->a);
	if (item->what == REEF_SEAM_WALL)
		return get_time(reader, &reader->wall_ns, &item->a);
	return get_number(reader, &item->a);
}

/* ---- rings ---- */

static void note_ring(struct reef_record_reader *reader, const struct reef_item *item) {
	static const char key[] = "ring";
	if (reader->ready || item->size != sizeof key - 1 || memcmp(item->bytes, key, item->size) != 0)
		return;
	size_t size = 0;
	for (size_t i = 0; i < item->value_size && size < SIZE_MAX / 100; i++)
		size = size * 10 + (size_t)((unsigned char)item->value[i] - '0') % 10;
	reader->part_size = size;
}

/* Its number; 0: there is none. */
static uint64_t part_number(const struct reef_record_reader *reader, size_t start) {
	uint64_t number = 0;
	if (start < reader->size && reader->size - start >= sizeof number)
		memcpy(&number, reader->file + start, sizeof number);
	return number;
}

static void read_part(struct reef_record_reader *reader, size_t start) {
	reader->at = start + sizeof(uint64_t);
	reader->end = reader->size - start > reader->part_size ? start + reader->part_size : reader->size;
	reader->time_ns = reader->wall_ns = 0;
	reader->newer = 0;
}

/* The head is over: from here on the parts are read, if there are any. */
static bool begin_parts(struct reef_record_reader *reader) {
	size_t start[2] = {REEF_RECORD_RING_HEAD, REEF_RECORD_RING_HEAD + reader->part_size};
	if (reader->ready || reader->part_size == 0) {
		reader->ready = true;
		return true;
	}
	reader->ready = true;
	if (reader->part_size < sizeof(uint64_t) || reader->part_size > SIZE_MAX / 4 || reader->at > REEF_RECORD_RING_HEAD)
		return fail(reader, "a ring whose parts have no room");
	uint64_t number[2] = {part_number(reader, start[0]), part_number(reader, start[1])};
	int first = number[0] == 0 || (number[1] != 0 && number[1] < number[0]);
	if (number[first] == 0) {
		reader->end = reader->at;
		return true;
	}
	reader->lost = number[first] > 1;
	read_part(reader, start[first]);
	reader->newer = number[!first] != 0 ? start[!first] : 0;
	return true;
}

static bool get_plain(struct reef_record_reader *reader, struct reef_item *item) {
	int64_t time;
	switch (item->kind) {
	case REEF_ITEM_HEAD:
		if (!get_bytes(reader, &item->bytes, &item->size) || !get_bytes(reader, &item->value, &item->value_size))
			return false;
		note_ring(reader, item);
		return true;
	case REEF_ITEM_FILE:
		return get_bytes(reader, &item->bytes, &item->size) && get_bytes(reader, &item->value, &item->value_size);
	case REEF_ITEM_READY:
		return begin_parts(reader);
	case REEF_ITEM_DEFERRED:
	case REEF_ITEM_ENDING:
		return true;
	case REEF_ITEM_TURN:
		return get_time(reader, &reader->time_ns, &time);
	case REEF_ITEM_MESSAGE:
		return get_about(reader, item) && get_time(reader, &reader->time_ns, &time);
	case REEF_ITEM_NOTE:
	case REEF_ITEM_END:
	case REEF_ITEM_VALUES:
		return get_bytes(reader, &item->bytes, &item->size);
	default:
		return false;
	}
}

static bool is_over(const struct reef_record_reader *reader) {
	return reader->at >= reader->end || reader->file[reader->at] == REEF_ITEM_NOTHING;
}

bool reef_record_read(struct reef_record_reader *reader, struct reef_item *item) {
	if (*reader->error)
		return false;
	if (reader->newer > 0 && is_over(reader))
		read_part(reader, reader->newer);
	if (is_over(reader))
		return false;
	size_t offset = reader->at;
	uint8_t byte = reader->file[reader->at++];
	*item = (struct reef_item){.kind = (enum reef_item_kind)byte, .offset = offset};
	bool known;
	if (byte >= REEF_ITEM_EVENT) {
		item->kind = REEF_ITEM_EVENT;
		item->what = byte - REEF_ITEM_EVENT;
		known = get_about(reader, item);
	} else if (byte >= REEF_ITEM_DEED) {
		item->kind = REEF_ITEM_DEED;
		item->what = byte - REEF_ITEM_DEED;
		known = get_about(reader, item);
	} else if (byte >= REEF_ITEM_NUMBER) {
		item->kind = (enum reef_item_kind)(byte & 0xf0);
		item->what = byte & 0x0f;
		known = item->kind <= REEF_ITEM_TEXT && get_answer(reader, item);
	} else {
		known = get_plain(reader, item);
	}
	if (known)
		return true;
	if (*reader->error == '\0') {
		reader->at = offset;
		fail(reader, "no item of a record");
	}
	return false;
}

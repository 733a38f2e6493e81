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
	*reader = (struct reef_record_reader){.file = file, .size = size};
	if (size < REEF_RECORD_MAGIC_SIZE || memcmp(file, REEF_RECORD_MAGIC, REEF_RECORD_MAGIC_SIZE) != 0)
		return fail(reader, "no record of a service (the first bytes are not " REEF_RECORD_MAGIC ")");
	reader->at = REEF_RECORD_MAGIC_SIZE;
	return true;
}

static bool get_size(struct reef_record_reader *reader, uint64_t *n) {
	*n = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (reader->at >= reader->size)
			return fail(reader, "the record is cut in the middle of a number");
		uint8_t byte = reader->file[reader->at++];
		*n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return fail(reader, "a number that is too long");
}

static bool get_number(struct reef_record_reader *reader, int64_t *n) {
	uint64_t raw;
	if (!get_size(reader, &raw))
		return false;
	*n = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
	return true;
}

static bool get_bytes(struct reef_record_reader *reader, const char **bytes, size_t *size) {
	uint64_t n;
	if (!get_size(reader, &n))
		return false;
	if (n > reader->size - reader->at)
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

static bool get_plain(struct reef_record_reader *reader, struct reef_item *item) {
	int64_t time;
	switch (item->kind) {
	case REEF_ITEM_HEAD:
		return get_bytes(reader, &item->bytes, &item->size) && get_bytes(reader, &item->value, &item->value_size);
	case REEF_ITEM_READY:
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

bool reef_record_read(struct reef_record_reader *reader, struct reef_item *item) {
	size_t offset = reader->at;
	if (*reader->error || offset >= reader->size || reader->file[offset] == 0)
		return false;
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

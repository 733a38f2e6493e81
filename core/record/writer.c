/* See writer.h. */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP ((size_t)1 << 20) /* by which a file grows */

/* ---- the file ---- */

static const char *allocate(struct reef_record_writer *writer, size_t from, size_t size) {
	int failed = size > 0 ? posix_fallocate(writer->fd, (off_t)from, (off_t)size) : 0;
	return failed ? strerrordesc_np(failed) : NULL;
}

const char *reef_record_writer_open(struct reef_record_writer *writer, const char *path, size_t limit,
									int64_t ring_ns) {
	size_t part = (limit - REEF_RECORD_RING_HEAD) / 2 & ~(size_t)4095;
	*writer = (struct reef_record_writer){.limit = limit, .ring_ns = ring_ns, .part_size = ring_ns > 0 ? part : 0};
	writer->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (writer->fd < 0)
		return strerrordesc_np(errno);
	/* Who makes room for others leaves alone what is locked. */
	const char *why = flock(writer->fd, LOCK_EX | LOCK_NB) == 0 ? NULL : "another record is written to it";
	if (why == NULL && ftruncate(writer->fd, 0) != 0)
		why = strerrordesc_np(errno);
	writer->room = ring_ns > 0 ? REEF_RECORD_RING_HEAD : STEP;
	bool own = why == NULL;
	if (why == NULL)
		why = allocate(writer, 0, writer->room);
	if (why == NULL) {
		writer->base = mmap(NULL, limit, PROT_READ | PROT_WRITE, MAP_SHARED, writer->fd, 0);
		why = writer->base == MAP_FAILED ? strerrordesc_np(errno) : NULL;
	}
	if (why) {
		close(writer->fd);
		if (own)
			unlink(path);
		return why;
	}
	memcpy(writer->base, REEF_RECORD_MAGIC, REEF_RECORD_MAGIC_SIZE);
	writer->at = REEF_RECORD_MAGIC_SIZE;
	return NULL;
}

void reef_record_writer_close(struct reef_record_writer *writer) {
	munmap(writer->base, writer->limit);
	if (writer->ring_ns == 0)
		(void)!ftruncate(writer->fd, (off_t)writer->at);
	close(writer->fd);
	writer->full = true;
}

void reef_record_writer_stop(struct reef_record_writer *writer, const char *why) {
	uint8_t *start = writer->base + writer->at;
	reef_record_end(writer, start, REEF_ITEM_END, reef_record_put_bytes(start + 1, why, strlen(why)));
	writer->full = true;
}

static void fill_up(struct reef_record_writer *writer, const char *why) {
	reef_record_writer_stop(writer, why);
	writer->stopped(writer, why);
}

/* ---- a ring ---- */

static size_t part_start(const struct reef_record_writer *writer) {
	return REEF_RECORD_RING_HEAD + (writer->number & 1) * writer->part_size;
}

void reef_record_writer_ready(struct reef_record_writer *writer) {
	writer->head_size = writer->at;
	if (writer->ring_ns > 0)
		reef_record_writer_turn_over(writer);
}

void reef_record_writer_turn_over(struct reef_record_writer *writer) {
	size_t part = (writer->number + 1) & 1, start = REEF_RECORD_RING_HEAD + part * writer->part_size;
	if (writer->full)
		return;
	if (writer->begun[part] == 0) {
		size_t first = STEP < writer->part_size ? STEP : writer->part_size;
		const char *why = allocate(writer, start, first);
		if (why) {
			fill_up(writer, why);
			return;
		}
		writer->begun[part] = first;
	}
	if (writer->number > 0)
		writer->used[writer->number & 1] = writer->at - part_start(writer);
	writer->base[start + sizeof writer->number] = REEF_ITEM_NOTHING;
	writer->number++;
	__atomic_store_n((uint64_t *)(void *)(writer->base + start), writer->number, __ATOMIC_RELEASE);
	__atomic_store_n(&writer->at, start + sizeof writer->number, __ATOMIC_RELAXED);
	writer->room = start + writer->begun[part];
	writer->part_ns = writer->time_ns;
	writer->time_ns = writer->wall_ns = 0;
}

/* In the place of what has no room in a ring. */
static void put_too_large(struct reef_record_writer *writer, size_t size) {
	char what[96];
	snprintf(what, sizeof what, "%zu bytes, for which the ring has no room (record_limit)", size);
	uint8_t *start = reef_record_begin(writer, strlen(what));
	if (start)
		reef_record_end(writer, start, REEF_ITEM_NOTE, reef_record_put_bytes(start + 1, what, strlen(what)));
}

static bool grow_ring(struct reef_record_writer *writer, size_t need) {
	if (sizeof writer->number + need + REEF_RECORD_RESERVE > writer->part_size) {
		put_too_large(writer, need);
		return false;
	}
	if (writer->at + need + REEF_RECORD_RESERVE > part_start(writer) + writer->part_size)
		reef_record_writer_turn_over(writer);
	size_t part = writer->number & 1, end = part_start(writer) + writer->part_size;
	if (writer->full || writer->at + need + REEF_RECORD_RESERVE <= writer->room)
		return !writer->full;
	size_t step = need > STEP ? need + STEP : STEP;
	if (step > end - writer->room)
		step = end - writer->room;
	const char *why = allocate(writer, writer->room, step);
	if (why) {
		fill_up(writer, why);
		return false;
	}
	writer->begun[part] += step;
	writer->room += step;
	return true;
}

/* At that offset, whatever it takes. */
static const char *put_at(int fd, const uint8_t *from, size_t size, size_t offset) {
	while (size > 0) {
		ssize_t n = pwrite(fd, from, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? strerrordesc_np(ENOSPC) : strerrordesc_np(errno);
		from += n;
		size -= (size_t)n;
		offset += (size_t)n;
	}
	return NULL;
}

const char *reef_record_writer_copy(struct reef_record_writer *writer, const char *path) {
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return strerrordesc_np(errno);
	writer->used[writer->number & 1] = writer->at - part_start(writer);
	/* Parts no larger than they have to be. */
	size_t size = writer->used[writer->used[1] > writer->used[0]];
	char digits[REEF_RECORD_RING_DIGITS + 1];
	snprintf(digits, sizeof digits, "%0*zu", REEF_RECORD_RING_DIGITS, size);
	const char *why = put_at(fd, writer->base, writer->head_size, 0);
	if (why == NULL)
		why = put_at(fd, (uint8_t *)digits, REEF_RECORD_RING_DIGITS, writer->head_size - 1 - REEF_RECORD_RING_DIGITS);
	for (size_t part = 0; part < 2 && why == NULL; part++)
		why = put_at(fd, writer->base + REEF_RECORD_RING_HEAD + part * writer->part_size, writer->used[part],
					 REEF_RECORD_RING_HEAD + part * size);
	if (close(fd) != 0 && why == NULL)
		why = strerrordesc_np(errno);
	if (why)
		unlink(path);
	return why;
}

/* ---- room ---- */

bool reef_record_writer_grow(struct reef_record_writer *writer, size_t need) {
	char why[128];
	if (writer->full)
		return false;
	if (writer->ring_ns > 0 && writer->number > 0)
		return grow_ring(writer, need);
	size_t step = need > STEP ? need + STEP : STEP;
	if (writer->at + need + REEF_RECORD_RESERVE > writer->limit) {
		snprintf(why, sizeof why, "it has %zu MiB, which is its limit (record_limit)", writer->limit >> 20);
		fill_up(writer, why);
		return false;
	}
	if (step > writer->limit - writer->room)
		step = writer->limit - writer->room;
	const char *failed = allocate(writer, writer->room, step);
	if (failed) {
		fill_up(writer, failed);
		return false;
	}
	writer->room += step;
	return true;
}

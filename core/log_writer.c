/* The thread behind a log file: see log_writer.h.
 *
 * Lines are appended to `incoming` under one lock of the process; the thread takes the whole of it, leaves an empty
 * buffer, and writes without the lock. It waits without a time limit while there is nothing to write, so a process that
 * is idle stays so; after lines that came thick and fast it sleeps for a moment in which nobody wakes it. A single line
 * for stdout or stderr is written by who logs it, if that cannot make him wait: so it stands where it was written among
 * what is printed.
 */
#include "log_writer.h"
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "clean.h"
#include "clock.h"
#include "env.h"
#include "list.h"
#include "thread.h"

#define DEFAULT_LIMIT_MIB 32
#define KEPT_CAPACITY (256 * 1024) /* bytes of an empty buffer that are not given back */
#define FIRST_RETRY_MS 50
#define LONGEST_RETRY_MS 1000
#define POLL_MS 1000       /* after which the thread looks whether it shall reopen the file */
#define SAY_AGAIN_MS 60000 /* not more often on stderr that the file cannot be written */
#define BURST_NS 50000     /* lines that follow each other faster are gathered for the thread */
#define NAP_MS 1           /* for which the thread gathers, while it is woken more often than that */

enum state {
	WRITING, /* or nothing to write */
	STALLED, /* whoever reads has not read for a while */
	FAILING  /* the last attempt failed; tries again after a while */
};

struct reef_log_writer {
	pthread_cond_t wake;
	char *path;   /* NULL: a stream */
	int stream;   /* 1 or 2, 0 for a file */
	size_t limit; /* bytes of `incoming` */

	/* under the lock */
	struct reef_text incoming;
	uint64_t lost_here; /* lines that are missing at the end of `incoming` */
	bool reopen, closing;
	bool at_once;       /* somebody who logs is writing his line himself */
	bool napping;       /* the thread will come by itself */
	uint64_t last_line; /* reef_now_ns */
	enum state state;
	int fd; /* changed under the lock, and only by the thread */
	bool regular;
	struct reef_log_style style;
	struct reef_link link;

	/* the thread's own */
	struct reef_text writing;
	size_t written;
	int failure; /* errno of the last attempt, 0 when it went well */
	uint64_t said_at;
	uint64_t taken_at; /* when it took lines last */
	long retry_ms;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER; /* somebody waits for it in `finish` only */
static struct reef_list writers = {{&writers.head, &writers.head}};
static struct reef_log_writer *process_writer;
static struct reef_log_numbers numbers;

/* Under the lock. */
static struct reef_log_writer *first_writer(void) {
	return reef_list_entry(reef_list_first(&writers), struct reef_log_writer, link);
}

static struct reef_log_writer *next_writer(const struct reef_log_writer *w) {
	return reef_list_entry(reef_list_next(&writers, &w->link), struct reef_log_writer, link);
}

/* ---- lines ---- */

static const struct reef_log_line own_line = {.level = REEF_LOG_WARN, .head = ""};

static void add_count_of_lost(struct reef_log_writer *w) {
	char line[96];
	int n = snprintf(line, sizeof line, "%llu log lines are missing here: they could not be written in time",
					 (unsigned long long)w->lost_here);
	w->lost_here = 0;
	reef_log_line_add(&w->incoming, &w->style, &own_line, &(struct reef_text){.data = line, .size = (size_t)n});
}

/* All of the line or nothing. Under the lock. */
static bool try_line(struct reef_log_writer *w, const struct reef_log_line *line, const struct reef_text *text) {
	struct reef_text *t = &w->incoming;
	size_t before = t->size;
	uint64_t lost = w->lost_here;
	if (text->failed || before + text->size > w->limit)
		return false;
	if (lost > 0)
		add_count_of_lost(w);
	reef_log_line_add(t, &w->style, line, text);
	if (!t->failed)
		return true;
	t->failed = false;
	t->size = before;
	w->lost_here = lost;
	return false;
}

/* ---- the file ---- */

/* Does the journal read what is written to `fd`? */
static bool is_journal(int fd) {
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char id[64];
	if (stream == NULL || fstat(fd, &st) != 0)
		return false;
	snprintf(id, sizeof id, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return strcmp(stream, id) == 0;
}

static struct reef_log_style style_of(const struct reef_log_writer *w, int fd) {
	const char *format = reef_env_get("log_format"), *time = reef_env_get("log_time"), *plain = getenv("NO_COLOR");
	struct reef_log_style style = {
			.json = format && strcmp(format, "json") == 0,
			.colours = isatty(fd) && !(plain && *plain),
			.journal = w->stream != 0 && is_journal(fd),
			.time = w->path ? REEF_LOG_TIME_SHORT : REEF_LOG_TIME_NONE,
	};
	if (time && strcmp(time, "iso") == 0)
		style.time = REEF_LOG_TIME_ISO;
	else if (time && strcmp(time, "none") == 0)
		style.time = REEF_LOG_TIME_NONE;
	return style;
}

static void use_descriptor(struct reef_log_writer *w, int fd) {
	struct stat st;
	w->fd = fd;
	w->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	w->style = style_of(w, fd);
}

/* Without waiting, as a pipe would for somebody who reads. */
static int open_file(const char *path) {
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

static void replace_descriptor(struct reef_log_writer *w, int fd) {
	pthread_mutex_lock(&lock);
	if (w->fd >= 0)
		close(w->fd);
	use_descriptor(w, fd);
	pthread_mutex_unlock(&lock);
}

static void reopen_file(struct reef_log_writer *w) {
	if (w->path == NULL)
		return;
	int fd = open_file(w->path);
	if (fd < 0) {
		char text[PATH_MAX + 128];
		snprintf(text, sizeof text, "error: the log file %s cannot be opened again: %s", w->path, strerror(errno));
		reef_log_writer_line(w, &(struct reef_log_line){.level = REEF_LOG_ERROR, .head = ""}, text, strlen(text));
		return;
	}
	replace_descriptor(w, fd);
	/* A line that was cut is written again as a whole. */
	while (w->written > 0 && w->writing.data[w->written - 1] != '\n')
		w->written--;
}

static bool is_stderr(const struct reef_log_writer *w) {
	struct stat log, standard;
	return w->stream == 2 || (fstat(w->fd, &log) == 0 && fstat(2, &standard) == 0 && log.st_dev == standard.st_dev &&
							  log.st_ino == standard.st_ino);
}

/* A line on stderr, unless that is what cannot be written, or would make us wait. */
static void say_on_stderr(const struct reef_log_writer *w, const char *text) {
	struct pollfd ready = {.fd = 2, .events = POLLOUT};
	if (!is_stderr(w) && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT))
		(void)!write(2, text, strlen(text));
}

static const char *log_name(const struct reef_log_writer *w) {
	return w->path ? w->path : w->stream == 2 ? "stderr" : "stdout";
}

static void say_failure(struct reef_log_writer *w) {
	uint64_t now = reef_now_ns();
	if (w->said_at != 0 && now - w->said_at < SAY_AGAIN_MS * UINT64_C(1000000))
		return;
	w->said_at = now;
	char text[PATH_MAX + 256];
	snprintf(text, sizeof text, "reef: cannot write the log %s: %s; lines are kept until it can be written\n",
			 log_name(w), strerror(w->failure));
	say_on_stderr(w, text);
}

/* Writes a piece. False: not now, `failure` says why (0: whoever reads has not read). Only what a pipe has room for is
 * given to it, so that the thread waits where it can be told to do something else. */
static bool write_piece(struct reef_log_writer *w) {
	size_t size = w->writing.size - w->written;
	if (w->fd < 0) {
		int fd = open_file(w->path);
		if (fd < 0) {
			w->failure = errno;
			return false;
		}
		replace_descriptor(w, fd);
	}
	if (!w->regular) {
		struct pollfd ready = {.fd = w->fd, .events = POLLOUT};
		if (poll(&ready, 1, POLL_MS) == 0) {
			w->failure = 0;
			return false;
		}
		if (size > PIPE_BUF)
			size = PIPE_BUF;
	}
	if (w->stream == 1)
		fflush(stdout); /* what was printed before the line comes before it */
	ssize_t n = write(w->fd, w->writing.data + w->written, size);
	if (n > 0) {
		w->written += (size_t)n;
		w->failure = 0;
		return true;
	}
	w->failure = n < 0 ? errno : EIO;
	if (w->failure == EINTR || w->failure == EAGAIN)
		w->failure = 0;
	return false;
}

/* ---- the thread ---- */

static void empty(struct reef_text *t) {
	t->size = 0;
	if (t->capacity > KEPT_CAPACITY)
		reef_text_free(t);
}

static struct timespec in_ms(long ms) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

/* To be woken costs those who log more than the line does: who is woken again and again looks by himself for a while. */
static void nap(struct reef_log_writer *w) {
	struct timespec until = in_ms(NAP_MS);
	bool is_busy = !reef_sim_on && reef_now_ns() - w->taken_at < NAP_MS * UINT64_C(1000000);
	if (!is_busy || w->closing || w->reopen)
		return;
	w->napping = true;
	pthread_cond_timedwait(&w->wake, &lock, &until);
	w->napping = false;
}

/* Waits until there is something to do; false: it was the last. Under the lock. */
static bool take_lines(struct reef_log_writer *w) {
	empty(&w->writing);
	w->written = 0;
	pthread_cond_broadcast(&progress);
	nap(w);
	while (w->at_once || (w->incoming.size == 0 && !w->reopen)) {
		if (w->at_once) {
			pthread_cond_wait(&w->wake, &lock);
		} else if (w->lost_here > 0) {
			add_count_of_lost(w);
			w->incoming.failed = false;
		} else if (w->closing) {
			return false;
		} else {
			pthread_cond_wait(&w->wake, &lock);
		}
	}
	struct reef_text taken = w->incoming;
	w->incoming = w->writing;
	w->writing = taken;
	w->taken_at = reef_now_ns();
	return true;
}

static void wait_to_retry(struct reef_log_writer *w) {
	struct timespec until = in_ms(w->retry_ms);
	if (!w->reopen)
		pthread_cond_timedwait(&w->wake, &lock, &until);
	w->retry_ms = w->retry_ms * 2 > LONGEST_RETRY_MS ? LONGEST_RETRY_MS : w->retry_ms * 2;
}

/* Writes what was taken, however long it takes. Under the lock, which it leaves while it writes. */
static void write_lines(struct reef_log_writer *w) {
	w->retry_ms = FIRST_RETRY_MS;
	while (w->written < w->writing.size) {
		bool reopen = w->reopen;
		w->reopen = false;
		pthread_mutex_unlock(&lock);
		if (reopen)
			reopen_file(w);
		bool ok = write_piece(w);
		if (w->failure != 0)
			say_failure(w);
		pthread_mutex_lock(&lock);
		w->state = ok ? WRITING : w->failure != 0 ? FAILING : STALLED;
		if (w->state == FAILING) {
			pthread_cond_broadcast(&progress);
			wait_to_retry(w);
		}
	}
	w->state = WRITING;
}

static void writer_release(struct reef_log_writer *w) {
	reef_link_remove(&w->link);
	if (w->fd >= 0)
		close(w->fd);
	pthread_cond_destroy(&w->wake);
	reef_text_free(&w->incoming);
	reef_text_free(&w->writing);
	reef_free(w->path);
	reef_free(w);
}

static void *writer_main(void *ud) {
	prctl(PR_SET_NAME, "reef-log");
	struct reef_log_writer *w = ud;
	pthread_mutex_lock(&lock);
	while (take_lines(w)) {
		if (w->writing.size == 0) {
			w->reopen = false;
			pthread_mutex_unlock(&lock);
			reopen_file(w);
			pthread_mutex_lock(&lock);
		}
		write_lines(w);
	}
	writer_release(w);
	pthread_cond_broadcast(&progress);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* All signals are for others; SIGXFSZ, too, which a file that may not grow would end the process with. */
static bool start_thread(struct reef_log_writer *w) {
	errno = reef_thread_detached(writer_main, w);
	return errno == 0;
}

/* ---- from outside: lines ---- */

/* Nothing waits, and it is a stream, which people read beside what is printed: then the line is written by who logs it,
 * in its place among his other output, if the stream takes it at once. A file could make him wait. */
static bool may_write_at_once(struct reef_log_writer *w) {
	uint64_t now = reef_now_ns(), before = w->last_line;
	w->last_line = now;
	/* In a simulation, when the thread writes must not be seen. */
	bool wanted = reef_sim_on || (now - before > BURST_NS && w->stream != 0 && !w->regular);
	return wanted && w->incoming.size == 0 && w->writing.size == 0 && !w->at_once && !w->reopen && !w->closing &&
		   w->lost_here == 0;
}

static size_t write_at_once(const struct reef_log_writer *w, const struct reef_text *line) {
	struct pollfd ready = {.fd = w->fd, .events = POLLOUT};
	if (line->size > PIPE_BUF || poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
		return 0;
	if (w->stream == 1)
		fflush(stdout);
	ssize_t n = write(w->fd, line->data, line->size);
	return n > 0 ? (size_t)n : 0;
}

/* Takes the only line out of `incoming` and writes it; what the stream does not take goes back, to be the thread's. The
 * lock is left meanwhile; whoever logs then appends. */
static void write_only_line(struct reef_log_writer *w) {
	struct reef_text line = w->incoming;
	w->incoming = (struct reef_text){0};
	w->at_once = true;
	pthread_mutex_unlock(&lock);
	size_t n = write_at_once(w, &line);
	pthread_mutex_lock(&lock);
	w->at_once = false;
	if (n == line.size) {
		line.size = 0;
	} else {
		memmove(line.data, line.data + n, line.size - n);
		line.size -= n;
	}
	reef_text_add(&line, w->incoming.data, w->incoming.size);
	if (line.failed)
		numbers.lost++;
	line.failed = false;
	reef_text_free(&w->incoming);
	w->incoming = line;
	if (line.size > 0 || w->lost_here > 0 || w->reopen || w->closing)
		pthread_cond_signal(&w->wake);
}

bool reef_log_writer_line(struct reef_log_writer *w, const struct reef_log_line *line, const char *text, size_t size) {
	struct reef_text clean = {0};
	reef_clean_add(&clean, text, size);
	pthread_mutex_lock(&lock);
	if (w == NULL)
		w = process_writer;
	if (w) {
		bool at_once = may_write_at_once(w), idle = w->incoming.size == 0;
		numbers.lines[line->level]++;
		if (!try_line(w, line, &clean)) {
			numbers.lost++;
			w->lost_here++;
		} else if (at_once) {
			write_only_line(w);
		} else if (w->napping ? w->incoming.size > w->limit / 4 : idle) {
			pthread_cond_signal(&w->wake);
		}
	}
	pthread_mutex_unlock(&lock);
	reef_text_free(&clean);
	return w != NULL;
}

/* ---- from outside: the rest ---- */

struct reef_log_writer *reef_log_writer_open(const char *path, int fd) {
	int own = path ? open_file(path) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0 && !(path && errno == ENXIO)) /* a pipe whose reader is still to come */
		return NULL;
	tzset(); /* reads the file of the time zone now: later there may be no descriptor for it */
	struct reef_log_writer *w = reef_calloc(1, sizeof *w);
	w->path = path ? reef_strdup(path) : NULL;
	w->stream = path ? 0 : fd;
	use_descriptor(w, own);
	pthread_cond_init(&w->wake, NULL);
	long mib = reef_env_int("log_buffer", DEFAULT_LIMIT_MIB);
	w->limit = (size_t)(mib < 1 ? 1 : mib) << 20;
	pthread_mutex_lock(&lock);
	reef_list_push(&writers, &w->link);
	bool started = start_thread(w);
	if (!started) {
		int failure = errno;
		writer_release(w);
		errno = failure;
	}
	pthread_mutex_unlock(&lock);
	return started ? w : NULL;
}

void reef_log_writer_reopen(struct reef_log_writer *w) {
	pthread_mutex_lock(&lock);
	w->reopen = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&lock);
}

void reef_log_writer_serve_process(struct reef_log_writer *w) {
	pthread_mutex_lock(&lock);
	process_writer = w;
	pthread_mutex_unlock(&lock);
}

void reef_log_writer_close(struct reef_log_writer *w) {
	pthread_mutex_lock(&lock);
	if (process_writer == w)
		process_writer = NULL;
	w->closing = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&lock);
}

static size_t waiting_bytes(const struct reef_log_writer *w) {
	return w->incoming.size + w->writing.size;
}

/* Has any of them lines that it may still be able to write? */
static bool any_is_writing(void) {
	for (struct reef_log_writer *w = first_writer(); w; w = next_writer(w))
		if (w->state != FAILING && (waiting_bytes(w) > 0 || w->lost_here > 0 || w->closing || w->at_once))
			return true;
	return false;
}

static void say_what_is_left(const struct reef_log_writer *w) {
	char text[PATH_MAX + 128];
	snprintf(text, sizeof text, "reef: the end of the log %s is missing, %zu bytes could not be written\n", log_name(w),
			 waiting_bytes(w));
	say_on_stderr(w, text);
}

void reef_log_writer_finish(uint64_t deadline_ns) {
	pthread_mutex_lock(&lock);
	for (struct reef_log_writer *w = first_writer(); w; w = next_writer(w)) {
		if (w->state == FAILING) /* tries once more, at once */
			w->state = STALLED;
		pthread_cond_signal(&w->wake);
	}
	while (any_is_writing() && reef_now_ns() < deadline_ns) {
		struct timespec until = in_ms(10);
		pthread_cond_timedwait(&progress, &lock, &until);
	}
	for (struct reef_log_writer *w = first_writer(); w; w = next_writer(w))
		if (waiting_bytes(w) > 0)
			say_what_is_left(w);
	pthread_mutex_unlock(&lock);
}

struct reef_log_numbers reef_log_writer_numbers(void) {
	pthread_mutex_lock(&lock);
	struct reef_log_numbers now = numbers;
	for (struct reef_log_writer *w = first_writer(); w; w = next_writer(w)) {
		now.waiting += waiting_bytes(w);
		now.failing |= w->state != WRITING;
	}
	pthread_mutex_unlock(&lock);
	return now;
}

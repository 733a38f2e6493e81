/* The seam between one service and everything outside it: what comes in through it can be recorded, and a replay puts a
 * record in the place of the outside (docs/replay.md).
 *
 * Nothing is behind a seam unless a service is recorded or replayed in this process: `reef_seam_on` is false then, and each
 * look at it is all that the seam costs. A seam belongs to one service, and is for that service's slices only. What the
 * engine itself does in such a slice, behind the seam, does not pass it (reef_seam_leave). */
#ifndef REEF_SEAM_H
#define REEF_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reef_deferred;
struct reef_message;
struct reef_seam;

/* What a service asks or is told. The numbers are part of the format of records. */
enum reef_seam_answer {
	REEF_SEAM_TIME = 1, /* nanoseconds, of the monotonic clock */
	REEF_SEAM_WALL,     /* nanoseconds since 1970 */
	REEF_SEAM_CHANCE,   /* random bytes */
	REEF_SEAM_RESULT,   /* what came of something that was done */
	REEF_SEAM_NAME,     /* the handle that a name stands for */
	REEF_SEAM_STATE,    /* of this process or service, as counters */
	REEF_SEAM_DONE, /* 1, as nearly always: the deed before was done; then it is not recorded. Or what else came of it */
	REEF_SEAM_ANSWERS,
};

/* What a service does. The numbers are part of the format of records. */
enum reef_seam_deed {
	REEF_SEAM_SEND = 1, /* receiver, type and session, source; the message */
	REEF_SEAM_TIMER,    /* session */
	REEF_SEAM_LOG,      /* a line */
	REEF_SEAM_PRINT,
	REEF_SEAM_COMMAND, /* of the engine, and its parameter */
	REEF_SEAM_CALL,    /* a function whose answer is recorded: its name and arguments */
	REEF_SEAM_SOCKET,  /* + enum reef_socket_deed */
	REEF_SEAM_PARTNER =
			REEF_SEAM_SOCKET + 24, /* to whom it asks next, who then answers many requests: a pool. Its name */
	REEF_SEAM_DEEDS,
};

/* Three numbers and bytes that say what a deed or an event is about. */
struct reef_seam_about {
	int64_t a, b, c;
	const void *bytes;
	size_t size;
};

/* What a service reads in place, and others switch between its slices: whoever has recorded that it reads it hangs this into
 * its seam, and tells of each switch before anything else passes. */
struct reef_seam_view {
	struct reef_seam_view *next;
	const uint64_t *version; /* of what is there */
	uint64_t seen;
	void (*look)(struct reef_seam_view *view, struct reef_seam *seam); /* there is another one */
	void (*ended)(struct reef_seam_view *view);                        /* the seam is no more */
};

struct reef_seam {
	struct reef_seam_view *views;
	bool over;       /* nobody wants to know any more: views are not made anew */
	unsigned off;    /* > 0: what happens is the engine's */
	unsigned within; /* > 0: in an event that is told already; what it brings about is no news */
	/* Each gets what is so and returns what the service is to see. Texts may be NULL, and are good until the next call. */
	int64_t (*number)(struct reef_seam *seam, enum reef_seam_answer what, int64_t real);
	void (*bytes)(struct reef_seam *seam, enum reef_seam_answer what, void *real, size_t size);
	const char *(*text)(struct reef_seam *seam, enum reef_seam_answer what, const char *real);
	/* The same of bytes of any size. */
	const char *(*block)(struct reef_seam *seam, enum reef_seam_answer what, const char *real, size_t *size);
	/* Something is used that cannot be recorded: its name. */
	void (*cannot)(struct reef_seam *seam, const char *what);
	/* The service does something. False: it is not to be done. */
	bool (*act)(struct reef_seam *seam, unsigned deed, const struct reef_seam_about *about);
	/* The service is told something. */
	void (*told)(struct reef_seam *seam, unsigned event, const struct reef_seam_about *about);
	/* Something is to be done when the slice ends. */
	void (*defer)(struct reef_seam *seam, struct reef_deferred *deferred);
};

/* Set before the first seam is made, and never taken back. */
extern bool reef_seam_on;

static inline bool reef_seam_is_on(void) {
	return __builtin_expect(__atomic_load_n(&reef_seam_on, __ATOMIC_RELAXED), 0);
}

/* Where a service keeps its seam; NULL: it has none. */
struct reef_seam_holder {
	struct reef_seam *seam;
};
/* That of the service that this thread runs; set by whoever runs it. NULL: it runs none. */
extern _Thread_local struct reef_seam_holder *reef_seam_holder;

/* The seam of the service that this thread runs, left or not; NULL: it has none. */
static inline struct reef_seam *reef_seam_mine(void) {
	return reef_seam_holder ? reef_seam_holder->seam : NULL;
}

/* What is to be done or asked now passes this seam; NULL: none. */
__attribute__((cold)) struct reef_seam *reef_seam_now(void);
static inline struct reef_seam *reef_seam_here(void) {
	return reef_seam_is_on() ? reef_seam_now() : NULL;
}

static inline int64_t reef_seam_number(enum reef_seam_answer what, int64_t real) {
	struct reef_seam *seam = reef_seam_here();
	return seam ? seam->number(seam, what, real) : real;
}

static inline const char *reef_seam_text(enum reef_seam_answer what, const char *real) {
	struct reef_seam *seam = reef_seam_here();
	return seam ? seam->text(seam, what, real) : real;
}

/* A truth value out of bytes that a record may have any others for. */
static inline void reef_seam_mend(bool *value) {
	unsigned char byte;
	memcpy(&byte, value, 1);
	*value = byte != 0;
}

/* From here on until reef_seam_return, what happens is the engine's. */
static inline struct reef_seam *reef_seam_leave(void) {
	struct reef_seam *seam = reef_seam_here();
	if (seam)
		seam->off++;
	return seam;
}
static inline void reef_seam_return(struct reef_seam *left) {
	if (left)
		left->off--;
}

/* Around the call that tells a service of an event, by whoever has left the seam. */
static inline struct reef_seam *reef_seam_tell(unsigned event, const struct reef_seam_about *about) {
	struct reef_seam *seam = reef_seam_is_on() ? reef_seam_mine() : NULL;
	if (seam) {
		seam->told(seam, event, about);
		seam->within++;
		seam->off--;
	}
	return seam;
}
static inline void reef_seam_told(struct reef_seam *seam) {
	if (seam) {
		seam->off++;
		seam->within--;
	}
}

/* Before anything passes that others may have had a hand in. */
static inline void reef_seam_look(struct reef_seam *seam) {
	for (struct reef_seam_view *view = seam->views; view; view = view->next)
		if (view->seen != __atomic_load_n(view->version, __ATOMIC_ACQUIRE))
			view->look(view, seam);
}
void reef_seam_add_view(struct reef_seam *seam, struct reef_seam_view *view);
/* The seam is about to be freed. */
void reef_seam_end_views(struct reef_seam *seam);

/* Whose an event is. The numbers are part of the format of records. */
enum reef_seam_event {
	REEF_SEAM_EVENT_SOCKETS = 0, /* + enum reef_socket_event */
	REEF_SEAM_EVENT_SHEETS = 16,
	REEF_SEAM_EVENT_NAMES = 32,
	REEF_SEAM_EVENTS = 48,
};

/* Tells the service of an event out of a record, in the way of the room whose event it is. */
void reef_seam_play(unsigned event, const struct reef_seam_about *about);
/* Start-up: the room's way, of the events from `first` on. */
void reef_seam_set_player(enum reef_seam_event first,
						  void (*play)(unsigned event, const struct reef_seam_about *about));

#endif

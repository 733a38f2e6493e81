/* The inside of a socket, for the files of this room: ids, who owns which, how the owner is told, the descriptor in the
 * poller's set.
 *
 * There is one slot per id in use, in a table by the id's low 16 bits. Slots are never freed, only reused, so any thread
 * may look at one at any time; everything but the atomics is under its lock. A slot's event sits in at most one
 * mailbox (REEF_SLOT_SIGNALLED says so), its deferred flush in at most one worker's list (`flusher`); a slot is not
 * reused before both have come home.
 *
 * No lock is held while a sink or anything of Lua runs. Lock order: slot, then owner list or deadlines.
 */
#ifndef REEF_SOCKET_SLOT_H
#define REEF_SOCKET_SLOT_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "core/list.h"
#include "core/message.h"
#include "core/slice.h"
#include "socket.h"
#include "socket/tls/tls.h"
#include "wqueue.h"

#define REEF_SLOTS 65536
#define REEF_SLOT_LIMIT_TEXT "reach skynet socket number limit"
#define REEF_SLOT_FIRST_WARNING (1024 * 1024) /* unsent bytes; the contract's */

enum reef_slot_kind { REEF_KIND_STREAM, REEF_KIND_LISTEN, REEF_KIND_UDP, REEF_KIND_BIND };

enum reef_slot_state {
	REEF_SLOT_FREE,
	REEF_SLOT_RESOLVING,
	REEF_SLOT_CONNECTING, /* also waiting to try again */
	REEF_SLOT_HANDSHAKE,  /* connected, but TLS is not ready */
	REEF_SLOT_OPEN,       /* has its fd: listening, connected, bound, half-closed by the peer ... */
	REEF_SLOT_CLOSING,    /* closed by us, flushing */
	REEF_SLOT_DEAD,       /* no fd any more; something is still to be told, or the event is under way */
};

/* Bits of `ready`, beside those of epoll. */
enum {
	REEF_SLOT_INPUT = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR,
	REEF_TELL_OPENED = 1u << 20,
	REEF_TELL_CLOSED = 1u << 21,
	REEF_TELL_FAILED = 1u << 22,
	REEF_TELL_WARNING = 1u << 23,
	REEF_TELL = REEF_TELL_OPENED | REEF_TELL_CLOSED | REEF_TELL_FAILED | REEF_TELL_WARNING,
	REEF_SLOT_SIGNALLED = 1u << 30,
};

/* What the poller tells of a stream. */
#define REEF_STREAM_EVENTS ((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP))

/* Events that let output go on, when the kernel takes no more. */
#define REEF_BLOCKED ((uint32_t)(EPOLLOUT | EPOLLERR | EPOLLHUP))

struct reef_attempts;

struct reef_slot {
	_Atomic uint32_t id;      /* 0: free */
	_Atomic uint32_t ready;   /* what the owner has not looked at yet */
	_Atomic uint32_t owner;   /* handle; 0: nobody any more */
	atomic_bool reading;      /* input is wanted */
	atomic_bool connecting;   /* the end of a connect or handshake is awaited */
	_Atomic uint32_t blocked; /* output waits for one of these events; 0: it does not */

	pthread_mutex_t lock;
	enum reef_slot_kind kind;
	enum reef_slot_state state;
	int fd;
	bool polled;      /* in the poller's set */
	bool unpollable;  /* a bound file: always ready */
	bool fin;         /* the peer will send no more */
	bool end_told;    /* `closed` or `failed` has been called or is about to */
	int error;        /* errno of the end, when not 0 */
	char *error_text; /* of a failed resolution */
	int write_error;  /* output is impossible, input may still be drained */
	const struct reef_sink *sink;
	void *ud;

	struct reef_tls *tls; /* of a listener, too: what its connections get; NULL: none */
	struct reef_wqueue out;
	struct reef_list datagrams; /* UDP output that the kernel did not take */
	size_t datagram_bytes;
	size_t warn_at; /* unsent bytes at which the owner is warned next */
	size_t warn_kb; /* warning to be told */
	bool warn_drained;
	int delivering; /* deliveries at work: callbacks run without the lock, and the slot stays this socket */
	int flusher;    /* thread that will flush at the end of its slice: worker index + 1 */

	uint64_t deadline_ns; /* of the connect, its next attempt, or the flush after close; 0: none */
	uint64_t connect_deadline_ns;
	uint64_t linger_ns;
	struct reef_attempts *attempts; /* while RESOLVING or CONNECTING */
	int family;                     /* of a UDP socket */

	uint64_t read_bytes, written_bytes, read_ns, write_ns; /* times of the coarse clock */

	struct reef_link owned; /* in the list of the owner's sockets */
	struct reef_event event;
	struct reef_deferred flush;
};

/* A locked slot with a new id, owned by `owner`; NULL when all are in use. */
struct reef_slot *reef_slot_new(enum reef_slot_kind kind, uint32_t owner);
/* The slot of that id, locked; NULL if there is none. */
struct reef_slot *reef_slot_lock(int id);
/* The slot of that id, not locked and possibly just about to change; NULL if there is none. */
struct reef_slot *reef_slot_peek(uint32_t id);
/* Unlocks; a dead slot that nothing refers to any more becomes free. */
void reef_slot_unlock(struct reef_slot *slot);
/* Locks again after a callback; false, locked all the same: somebody else has taken the socket over. */
static inline bool reef_slot_relock(struct reef_slot *slot, uint32_t owner) {
	pthread_mutex_lock(&slot->lock);
	return atomic_load(&slot->owner) == owner;
}
/* The i-th slot of the table, NULL if it was never used. */
struct reef_slot *reef_slot_at(int i);

/* Locked. 0: nobody's. */
void reef_slot_set_owner(struct reef_slot *slot, uint32_t owner);
/* The ids of that owner's sockets in a new block, ended by 0; NULL if it has none. */
uint32_t *reef_slot_owned_ids(uint32_t owner);

/* ORs bits into `ready` and makes sure that the owner's event is under way. Locked or not; who does not hold the lock
 * takes and releases it once when this answers false (there is no owner), since a dead slot may now be free. */
bool reef_slot_signal(struct reef_slot *slot, uint32_t bits);
/* The same for something that only a sink would hear. Locked. */
void reef_slot_tell(struct reef_slot *slot, uint32_t what);

/* Watches the fd. 0 or an errno. Locked. */
int reef_slot_poll(struct reef_slot *slot);
/* The same, and has what the fd is ready for reported once more if it was watched already. */
int reef_slot_poll_again(struct reef_slot *slot);

/* Encrypted bytes that the kernel has not taken. Locked. */
static inline size_t reef_slot_sealed(const struct reef_slot *slot) {
	return slot->tls ? reef_tls_sealed(slot->tls) : 0;
}
/* Bytes of the application that the kernel has not taken. Locked. */
static inline size_t reef_slot_unsent(const struct reef_slot *slot) {
	return slot->out.size + slot->datagram_bytes + (slot->tls ? reef_tls_sealed_users(slot->tls) : 0);
}

/* What is done with a slot's event and its deferred flush: the files above. Start-up only. */
void reef_slot_setup(void (*deliver)(struct reef_service *service, struct reef_event *event),
					 void (*drop)(struct reef_event *event), void (*flush)(struct reef_deferred *deferred));
/* Takes the first id to be tried next; for tests of the wrap-around. */
void reef_slot_set_next_id(uint32_t id);

#define reef_slot_of(member_pointer, member)                                                                           \
	((struct reef_slot *)(void *)((char *)(member_pointer)-offsetof(struct reef_slot, member)))

#endif

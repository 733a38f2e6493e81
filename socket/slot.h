/* The inside of a socket, for the files of this room.
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

#include "core/message.h"
#include "core/slice.h"
#include "socket/socket.h"
#include "socket/wqueue.h"

#define REEF_SLOTS 65536
#define REEF_SLOT_LIMIT_TEXT "reach skynet socket number limit"

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

struct reef_address;
struct reef_connect;
struct reef_datagram;
struct reef_tls;

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
	size_t sealed;        /* encrypted bytes that the kernel has not taken */
	size_t sealed_users;  /* bytes of the application in records that have not left completely */
	struct reef_wqueue out;
	struct reef_datagram *datagrams, **datagrams_tail; /* UDP output that the kernel did not take */
	size_t datagram_bytes;
	size_t warn_at; /* unsent bytes at which the owner is warned next */
	size_t warn_kb; /* warning to be told */
	bool warn_drained;
	int delivering; /* deliveries at work: callbacks run without the lock, and the slot stays this socket */
	int flusher;    /* thread that will flush at the end of its slice: worker index + 1 */

	uint64_t deadline_ns; /* of the connect, its next attempt, or the flush after close; 0: none */
	uint64_t connect_deadline_ns;
	uint64_t linger_ns;
	struct reef_connect *connect; /* while RESOLVING or CONNECTING */
	int family;                   /* of a UDP socket */

	uint64_t read_bytes, written_bytes, read_ns, write_ns; /* times of the coarse clock */

	struct reef_slot *owned_next, **owned_link; /* in the list of the owner's sockets */
	struct reef_event event;
	struct reef_deferred flush;
};

/* ---- slot.c: ids, owners, signals ---- */

/* A locked slot with a new id, owned by `owner`; NULL when all are in use. */
struct reef_slot *reef_slot_new(enum reef_slot_kind kind, uint32_t owner);
/* The slot of that id, locked; NULL if there is none. */
struct reef_slot *reef_slot_lock(int id);
/* The slot of that id, not locked and possibly just about to change; NULL if there is none. */
struct reef_slot *reef_slot_peek(uint32_t id);
/* Unlocks; a dead slot that nothing refers to any more becomes free. */
void reef_slot_unlock(struct reef_slot *slot);
void reef_slot_set_owner(struct reef_slot *slot, uint32_t owner);
/* ORs bits into `ready` and makes sure that the owner's event is under way. Locked or not; who does not hold the lock
 * takes and releases it once when this answers false (there is no owner), since a dead slot may now be free. */
bool reef_slot_signal(struct reef_slot *slot, uint32_t bits);
/* The same for something that only a sink would hear. Locked. */
void reef_slot_tell(struct reef_slot *slot, uint32_t what);
/* The i-th slot of the table, NULL if it was never used. */
struct reef_slot *reef_slot_at(int i);
/* The service is gone: closes what it owned. */
void reef_slot_orphan_all(uint32_t owner);
/* Start-up only. */
void reef_slot_setup(void);
/* Opens, if it is not, the descriptor that is given up when there is none left to accept with. */
void reef_accept_keep_spare(void);
/* Takes the first id to be tried next; for tests of the wrap-around. */
void reef_slot_set_next_id(uint32_t id);

/* ---- stream.c: life of a socket; all with the slot locked ---- */

/* Watches the fd. 0 or an errno. */
int reef_slot_poll(struct reef_slot *slot);
/* The same, and has what the fd is ready for reported once more if it was watched already. */
int reef_slot_poll_again(struct reef_slot *slot);
/* Closes the fd and drops output: DEAD. */
void reef_slot_kill(struct reef_slot *slot);
/* The connection is broken: DEAD, and the owner hears `failed` unless it knows of an end already. */
void reef_slot_break(struct reef_slot *slot, int error);
/* What reef_socket_close does. */
void reef_slot_close(struct reef_slot *slot);
/* The connect is done: TLS begins, or the socket is open. */
void reef_slot_connected(struct reef_slot *slot);
/* TLS begins on a connected socket: HANDSHAKE, and the owner's slice goes on with it. */
void reef_slot_begin_handshake(struct reef_slot *slot);
void reef_slot_handshake(struct reef_slot *slot);
/* The deadline has passed (deadline.c). */
void reef_slot_expired(struct reef_slot *slot);

/* ---- connect.c: all but the last with the slot locked ---- */

/* A new stream becomes RESOLVING; with `resolving`, addresses come through reef_connect_resolved. */
void reef_connect_begin(struct reef_slot *slot, bool resolving);
/* Addresses to be tried, from now on. */
void reef_connect_add(struct reef_slot *slot, const struct reef_address *addresses, size_t n);
/* An attempt may have become connected or failed. */
void reef_connect_check(struct reef_slot *slot);
/* Time for the next attempt, or too late for any. */
void reef_connect_expired(struct reef_slot *slot);
/* Gives up what is under way. */
void reef_connect_end(struct reef_slot *slot);
/* From the resolver, in the owner's slice: n addresses; `last`: no more will come, and without any `error` says why.
 * Not locked; harmless for an id that no longer connects. */
void reef_connect_resolved(int id, const struct reef_address *addresses, size_t n, bool last, const char *error);

/* ---- event.c ---- */
/* Locks again after a callback; false, locked all the same: somebody else has taken the socket over. */
bool reef_slot_relock(struct reef_slot *slot, uint32_t owner);
void reef_slot_poll_event(uint32_t id, uint32_t events);
void reef_slot_deliver(struct reef_service *service, struct reef_event *event);
void reef_slot_drop(struct reef_event *event);

/* ---- output.c ---- */
/* Sends what the kernel takes; ends a CLOSING socket when all is sent. Locked. */
void reef_slot_flush(struct reef_slot *slot);
/* Unsent bytes have grown or gone: warns the owner at the thresholds. Locked. */
void reef_slot_check_warning(struct reef_slot *slot);
/* Bytes that may wait to be sent on one socket; written at start-up (`socket_write_limit`). */
extern size_t reef_write_limit;
size_t reef_slot_unsent(const struct reef_slot *slot);
void reef_slot_deferred_flush(struct reef_deferred *deferred);

/* ---- udp.c ---- */
/* Hands at most a slice's share of datagrams to the sink. Locked; false: the socket has changed hands. */
bool reef_udp_read(struct reef_slot *slot, uint32_t id, uint32_t owner);
void reef_udp_flush(struct reef_slot *slot);
void reef_udp_clear(struct reef_slot *slot);
bool reef_udp_queue(struct reef_slot *slot, const void *address, uint32_t address_size, const void *bytes, size_t n);

/* ---- info.c ---- */
/* Nanoseconds of a clock that costs nothing. */
uint64_t reef_coarse_ns(void);

#define reef_slot_of(member_pointer, member)                                                                           \
	((struct reef_slot *)(void *)((char *)(member_pointer)-offsetof(struct reef_slot, member)))

#endif

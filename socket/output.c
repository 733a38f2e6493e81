/* Writing: gathering within a slice, flushing at its end or from the poller, warning when too much waits. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/scheduler.h"
#include "core/slice.h"
#include "socket/slot.h"
#include "socket/tls_private.h"

#define VECTORS 64
/* What is gathered leaves before the end of the slice when it is this much: a slice with a lot to say should not wait
 * to say it, and the data is still in the cache. */
#define FLUSH_AT (64 * 1024)
/* A single write this large is not copied if the kernel takes it at once. */
#define DIRECT_AT (16 * 1024)
/* One flush sends this much, then others get their turn: a peer that reads as fast as we write would keep us for ever. */
#define FLUSH_MAX (1024 * 1024)
/* write(2) to a pipe or terminal that poll says is writable takes this much without blocking (PIPE_BUF). */
#define BOUND_MAX 4096

#define FIRST_WARNING (1024 * 1024)

size_t reef_write_limit = SIZE_MAX;

/* ---- warnings ---- */

size_t reef_slot_unsent(const struct reef_slot *slot) {
	return slot->out.size + slot->sealed_users + slot->datagram_bytes;
}

/* True: the peer takes so little that the connection was ended. Datagrams are refused one by one. */
static bool over_limit(struct reef_slot *slot) {
	size_t unsent = reef_slot_unsent(slot);
	if (__builtin_expect(unsent <= reef_write_limit, 1) || slot->state == REEF_SLOT_DEAD)
		return false;
	reef_log(atomic_load(&slot->owner),
			 "error: socket: closed %u: %zu bytes wait to be sent, more than socket_write_limit allows (%zu)",
			 atomic_load(&slot->id), unsent, reef_write_limit);
	reef_slot_break(slot, ENOBUFS);
	return true;
}

void reef_slot_check_warning(struct reef_slot *slot) {
	if (slot->kind != REEF_KIND_UDP && over_limit(slot))
		return;
	size_t unsent = reef_slot_unsent(slot);
	if (unsent >= slot->warn_at) {
		while (slot->warn_at <= unsent)
			slot->warn_at *= 2;
		slot->warn_kb = (unsent + 1023) / 1024;
		slot->warn_drained = false;
		reef_slot_tell(slot, REEF_TELL_WARNING);
	} else if (unsent == 0 && slot->warn_at > FIRST_WARNING) {
		slot->warn_at = FIRST_WARNING;
		slot->warn_drained = true;
		reef_slot_tell(slot, REEF_TELL_WARNING);
	}
}

/* ---- sending ---- */

/* Bytes sent, or -1 with errno. */
static ssize_t send_vectors(struct reef_slot *slot, struct iovec *iov, int n) {
	if (slot->tls)
		return reef_tls_send(slot, iov, n);
	if (slot->kind == REEF_KIND_BIND) {
		/* The descriptor belongs to the process and may block; ask first and write little. */
		struct pollfd state = {.fd = slot->fd, .events = POLLOUT};
		if (!slot->unpollable && poll(&state, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
		return write(slot->fd, iov->iov_base, iov->iov_len < BOUND_MAX ? iov->iov_len : BOUND_MAX);
	}
	if (n == 1)
		return send(slot->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)n};
	return sendmsg(slot->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The connection does not take output any more. */
static void write_failed(struct reef_slot *slot, int error) {
	if (slot->state == REEF_SLOT_OPEN && !slot->fin && atomic_load(&slot->reading)) {
		/* What the peer sent before it went away is still to be read; reading finds the end. */
		slot->write_error = error;
		reef_wqueue_clear(&slot->out);
		reef_slot_signal(slot, EPOLLIN | EPOLLERR);
		return;
	}
	reef_slot_break(slot, error);
}

/* Sends what is queued and then `n` bytes of `more`; returns how many of those have gone. */
static size_t flush_with(struct reef_slot *slot, const void *more, size_t n) {
	bool announced = atomic_load(&slot->blocked) != 0;
	size_t done = 0, total = 0;
	while (slot->out.size > 0 || done < n || slot->sealed > 0) {
		if (total >= FLUSH_MAX) {
			atomic_store(&slot->blocked, REEF_BLOCKED);
			int error = reef_slot_poll_again(slot);
			if (error == 0)
				return done;
			write_failed(slot, error);
			return n;
		}
		struct iovec iov[VECTORS];
		int count = reef_wqueue_gather(&slot->out, iov, VECTORS - 1);
		size_t queued = 0;
		for (int i = 0; i < count; i++)
			queued += iov[i].iov_len;
		if (done < n && queued == slot->out.size)
			iov[count++] = (struct iovec){.iov_base = (char *)(uintptr_t)more + done, .iov_len = n - done};
		ssize_t sent = send_vectors(slot, iov, count);
		if (sent >= 0) {
			size_t from_queue = (size_t)sent < queued ? (size_t)sent : queued;
			reef_wqueue_sent(&slot->out, from_queue);
			done += (size_t)sent - from_queue;
			total += slot->unpollable ? 0 : (size_t)sent;
			slot->written_bytes += (uint64_t)sent;
			slot->write_ns = reef_coarse_ns();
		} else if (errno == EAGAIN) {
			/* Say that we wait, then try once more: the poller may have seen room before it knew that we care. */
			if (announced)
				return done;
			announced = true;
			atomic_store(&slot->blocked, REEF_BLOCKED);
			int error = reef_slot_poll(slot);
			if (error != 0) {
				write_failed(slot, error);
				return n;
			}
		} else if (errno != EINTR) {
			write_failed(slot, errno);
			return n;
		}
	}
	atomic_store(&slot->blocked, 0);
	return done;
}

/* Closed by us before the handshake was done, with something to say. True: the handshake is done. */
static bool shake_hands_late(struct reef_slot *slot) {
	enum reef_tls_progress progress = reef_slot_unsent(slot) > 0 ? reef_tls_handshake(slot) : REEF_TLS_FAILED;
	if (progress == REEF_TLS_WAITS) {
		atomic_store(&slot->blocked, REEF_BLOCKED | REEF_SLOT_INPUT);
		if (reef_slot_poll(slot) == 0)
			return false;
		progress = REEF_TLS_FAILED;
	}
	if (progress == REEF_TLS_FAILED)
		reef_slot_kill(slot);
	return progress == REEF_TLS_DONE;
}

void reef_slot_flush(struct reef_slot *slot) {
	if (slot->state != REEF_SLOT_OPEN && slot->state != REEF_SLOT_CLOSING)
		return;
	if (slot->state == REEF_SLOT_CLOSING && slot->tls && !reef_tls_established(slot->tls) && !shake_hands_late(slot))
		return;
	if (slot->kind == REEF_KIND_UDP)
		reef_udp_flush(slot);
	else if (slot->out.size > 0 || slot->sealed > 0)
		flush_with(slot, NULL, 0);
	reef_slot_check_warning(slot);
	if (slot->state == REEF_SLOT_CLOSING && reef_slot_unsent(slot) == 0 && (!slot->tls || reef_tls_part(slot)))
		reef_slot_kill(slot);
}

void reef_slot_deferred_flush(struct reef_deferred *deferred) {
	struct reef_slot *slot = reef_slot_of(deferred, flush);
	pthread_mutex_lock(&slot->lock);
	slot->flusher = 0;
	if (!atomic_load(&slot->blocked))
		reef_slot_flush(slot);
	reef_slot_unlock(slot);
}

/* Something was queued: sees to it that it leaves. */
static void flush_later(struct reef_slot *slot) {
	if (slot->state != REEF_SLOT_OPEN) {
		over_limit(slot);
		return; /* when it is connected */
	}
	if (atomic_load(&slot->blocked)) {
		reef_slot_check_warning(slot);
		return;
	}
	int me = reef_scheduler_own_index() + 1;
	if (slot->out.size < FLUSH_AT && me != 0) {
		if (slot->flusher == me)
			return;
		/* Somebody else's slice may be a long one: then this one goes out at once, in order. */
		if (slot->flusher == 0) {
			slot->flusher = me;
			if (reef_slice_defer(&slot->flush))
				return;
			slot->flusher = 0;
		}
	}
	reef_slot_flush(slot);
}

static bool writable(const struct reef_slot *slot) {
	return slot->state <= REEF_SLOT_OPEN && slot->kind != REEF_KIND_LISTEN && slot->write_error == 0;
}

static void too_large(const struct reef_slot *slot, size_t n) {
	reef_log(atomic_load(&slot->owner), "error: socket: no memory for %zu bytes of output on %u", n,
			 atomic_load(&slot->id));
}

bool reef_socket_write(int id, const void *bytes, size_t n, enum reef_priority priority) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool ok = writable(slot);
	if (ok && slot->kind == REEF_KIND_UDP) {
		ok = reef_udp_queue(slot, NULL, 0, bytes, n);
	} else if (ok) {
		size_t direct = 0;
		if (n >= DIRECT_AT && priority == REEF_NORMAL && slot->kind == REEF_KIND_STREAM &&
			slot->state == REEF_SLOT_OPEN && !atomic_load(&slot->blocked))
			direct = flush_with(slot, bytes, n);
		if (!writable(slot))
			direct = n;
		ok = reef_wqueue_push(&slot->out, (const char *)bytes + direct, n - direct, priority);
		if (!ok) {
			/* A gap in the stream would be worse than its end. */
			too_large(slot, n);
			reef_slot_break(slot, ENOMEM);
		} else if (reef_slot_unsent(slot) > 0) {
			flush_later(slot);
		}
	}
	reef_slot_unlock(slot);
	return ok;
}

bool reef_socket_write_take(int id, void *block, size_t n, enum reef_priority priority) {
	if (n < 1024) {
		bool ok = reef_socket_write(id, block, n, priority);
		reef_free(block);
		return ok;
	}
	struct reef_slot *slot = reef_slot_lock(id);
	bool ok = slot && writable(slot);
	if (ok && slot->kind == REEF_KIND_UDP) {
		ok = reef_udp_queue(slot, NULL, 0, block, n);
		reef_free(block);
	} else if (ok) {
		reef_wqueue_push_take(&slot->out, block, n, priority);
		flush_later(slot);
	} else {
		reef_free(block);
	}
	if (slot)
		reef_slot_unlock(slot);
	return ok;
}

size_t reef_socket_unsent(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return 0;
	size_t unsent = reef_slot_unsent(slot);
	reef_slot_unlock(slot);
	return unsent;
}

/* One end of a connection in memory, and what is on its way to it. For the files of the simulated network. */
#ifndef REEF_SIM_STREAM_H
#define REEF_SIM_STREAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/poller.h"

enum reef_sim_state {
	REEF_SIM_FREE,
	REEF_SIM_NEW,
	REEF_SIM_LISTENING,
	REEF_SIM_CONNECTING,
	REEF_SIM_OPEN,
	REEF_SIM_BROKEN, /* a connect that failed, or a connection that was reset */
};

/* An end has its place for good and is used again; `life` counts, so that who comes late knows. */
struct reef_sim_end {
	enum reef_sim_state state;
	uint32_t life;
	int fd;
	struct sockaddr_storage local, remote;
	socklen_t local_size, remote_size;
	uint32_t here, there; /* hosts; 0: of no network (a Unix socket) */
	int port;             /* that was connected to */
	bool accepted;        /* the end that was connected to */
	int error;            /* to be told by the next call */

	/* of a listener */
	size_t backlog;
	struct reef_sim_queue {
		struct reef_sim_end **items;
		size_t count, capacity;
	} pending;

	/* of a connection */
	struct reef_sim_end *other; /* NULL: it is gone */
	struct reef_sim_piece *first, **last;
	size_t on_way;    /* bytes in these */
	uint64_t arrival; /* of the last of them: nothing overtakes */
	uint64_t pump_at; /* when the next look at them is due; 0: none is */
	double rate;      /* bytes a second that its reader takes; 0: any */
	size_t window;    /* bytes that wait for its reader, at most */
	char *bytes;      /* that do */
	size_t size, capacity;
	bool end_came, end_sent; /* of the stream */
	bool blocked;            /* its writer waits for room */

	/* what is told of it */
	bool watched, telling;
	enum reef_poll_kind kind;
	uint32_t id, events;
};

enum reef_sim_what { REEF_SIM_BYTES, REEF_SIM_END, REEF_SIM_RST };

/* A delay of the network, in nanoseconds. */
uint64_t reef_sim_stream_delay(void);
/* Two ends are connected from now on; they are open when each is told. */
void reef_sim_stream_join(struct reef_sim_end *one, struct reef_sim_end *other);
/* Something leaves for the other end. */
void reef_sim_stream_post(struct reef_sim_end *from, enum reef_sim_what what, const char *bytes, size_t size);
/* How many bytes may be sent. */
size_t reef_sim_stream_room(const struct reef_sim_end *end);
/* Takes up to that many that have come. */
size_t reef_sim_stream_take(struct reef_sim_end *end, char *to, size_t size);
/* The connection is broken, for this end. */
void reef_sim_stream_break(struct reef_sim_end *end, int error);
/* What is on its way to it, and waits, is lost. */
void reef_sim_stream_forget(struct reef_sim_end *end);

/* The events of poll(2) that are there. */
uint32_t reef_sim_stream_ready(const struct reef_sim_end *end);
/* The poller is going to be told of what is there. */
void reef_sim_stream_poke(struct reef_sim_end *end);

#endif

/* Who hears of a socket that is replayed (core/seam.h): nothing is behind its id, and what the record says of it is told to
 * him. One service is replayed in a process; that one's slices only. */
#ifndef REEF_SOCKET_REPLAYED_H
#define REEF_SOCKET_REPLAYED_H

struct reef_sink;

/* Start-up only. */
void reef_socket_replayed_setup(void);

/* From now on he hears of it; who did so before does not. */
void reef_socket_replayed_listen(int id, const struct reef_sink *sink, void *ud);
/* The same, unless nobody hears of it with that sink. */
void reef_socket_replayed_set_ud(int id, const struct reef_sink *sink, void *ud);
/* Nobody does. */
void reef_socket_replayed_forget(int id);

#endif

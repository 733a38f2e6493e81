/* The seam of the service that is replayed. Its own slice. */
#ifndef REEF_REPLAYING_SEAM_H
#define REEF_REPLAYING_SEAM_H

struct reef_host;

/* From here on the service with that host finds its record, and nothing else, at its seam. */
void reef_replaying_seam_begin(struct reef_host *host);

#endif

/* The seam of a service that is recorded. Its own slice. */
#ifndef REEF_RECORDING_SEAM_H
#define REEF_RECORDING_SEAM_H

struct reef_host;
struct reef_recording;

/* From here on what passes the seam of that host's service goes to the record, whose writer and state are there. */
void reef_recording_seam_begin(struct reef_recording *recording, struct reef_host *host);

#endif

/* Recording a service from its start on. Its own slice. */
#ifndef REEF_RECORD_H
#define REEF_RECORD_H

struct reef_host;
struct reef_host_seam;

/* The seam of a new service that is to be recorded; NULL: it is not. */
struct reef_host_seam *reef_record_make(struct reef_host *host, const char *arguments);

#endif

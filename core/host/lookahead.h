/* What a Lua service's next slice will want in the processor's cache. */
#ifndef REEF_HOST_LOOKAHEAD_H
#define REEF_HOST_LOOKAHEAD_H

struct reef_service;
struct reef_warm;

/* Notes it, as `warm` of struct reef_module: own slice. */
void reef_lookahead_note(struct reef_service *service, struct reef_warm *warm);

#endif

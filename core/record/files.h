/* Which services are recorded, and where to. Any thread. */
#ifndef REEF_RECORD_FILES_H
#define REEF_RECORD_FILES_H

#include <stdbool.h>

#include "record.h"

/* Start-up: the names in the key `record`. */
void reef_record_files_setup(void);

/* Is a service with these arguments recorded? Then its name and the path of its record are filled in, and of the older
 * records in the folder those are removed that are too many. `ring`: only its last seconds (the key `record_ring`). */
bool reef_record_files_wants(const char *arguments, struct reef_record_state *state, bool *ring);

/* The same for a record more of a service whose name and handle are known. `ending`: of the file's name. */
void reef_record_files_path(struct reef_record_state *state, const char *ending);

#endif

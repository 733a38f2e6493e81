/* Which services are recorded, and where to. Any thread. */
#ifndef REEF_RECORD_FILES_H
#define REEF_RECORD_FILES_H

#include <stdbool.h>

#include "record.h"

/* Start-up: the names in the key `record`. */
void reef_record_files_setup(void);

/* Is a service with these arguments recorded? Then its name and the path of its record are filled in, and of the older
 * records in the folder those are removed that are too many. */
bool reef_record_files_wants(const char *arguments, struct reef_record_state *state);

#endif

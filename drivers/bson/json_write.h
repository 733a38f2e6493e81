/* MongoDB Extended JSON v2 from BSON, canonical or relaxed. Free of state. */
#ifndef REEF_BSON_JSON_WRITE_H
#define REEF_BSON_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "writer.h"

/* Appends text; the document was checked before. False: the writer is full. */
bool reef_json_write(struct reef_writer *w, const uint8_t *data, size_t size, bool canonical);

#endif

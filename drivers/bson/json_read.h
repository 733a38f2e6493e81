/* MongoDB Extended JSON v2, canonical or relaxed, to BSON. Free of state.
 *
 * Not libbson's: that drops what follows the first document, takes `[1]` for one, reads 100 levels where we have 128, and
 * does not say where in the text a value is wrong; its writer gives 0.1 as 0.10000000000000000555.
 */
#ifndef REEF_BSON_JSON_READ_H
#define REEF_BSON_JSON_READ_H

#include "json_text.h"

/* Appends the document that the text stands for. */
bool reef_json_read(struct reef_writer *w, const char *text, size_t size, struct reef_json_error *error);

#endif

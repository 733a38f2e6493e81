/* The typed values of Extended JSON v2: {"$oid": ...}, {"$date": ...} and so on. Free of state. */
#ifndef REEF_BSON_JSON_TYPES_H
#define REEF_BSON_JSON_TYPES_H

#include "json_text.h"

/* At a `{`: if it begins a typed value, writes its payload and sets the type byte at offset `type`; else nothing has
 * been eaten or written. */
enum reef_json_typed reef_json_types_value(struct reef_json *j, size_t type, int depth);

#endif

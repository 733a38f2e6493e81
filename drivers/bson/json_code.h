/* Code, with or without a scope, in Extended JSON. Free of state. */
#ifndef REEF_BSON_JSON_CODE_H
#define REEF_BSON_JSON_CODE_H

#include "json_text.h"

/* Behind {"$code": */
bool reef_json_code_value(struct reef_json *j, size_t type, int depth);
/* Behind {"$scope": where "$code" has to follow; without, it is an ordinary document. */
enum reef_json_typed reef_json_code_scope_first(struct reef_json *j, size_t type, int depth);

#endif

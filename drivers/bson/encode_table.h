/* Tables as documents and arrays. Which table is which is the contract's rule: see reef_bson_encode_body. The VM's thread
 * only; all may raise.
 */
#ifndef REEF_BSON_ENCODE_TABLE_H
#define REEF_BSON_ENCODE_TABLE_H

#include <stdbool.h>

#include "element.h"

/* The element at the current key from the table at `index`. */
void reef_bson_encode_table(struct reef_bson_encoder *e, int index);
/* The same without type and key: answers the type. `top`: it is the whole, and so a document. */
int reef_bson_encode_body(struct reef_bson_encoder *e, int index, bool top);

/* What tables are made of, in encode.c: the element at the current key from any value, and from a string. */
void reef_bson_encode_value(struct reef_bson_encoder *e, int index);
void reef_bson_encode_string(struct reef_bson_encoder *e, const char *s, size_t size);

#endif

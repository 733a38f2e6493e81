/* Items of a record in words. */
#ifndef REEF_RECORD_DESCRIBE_H
#define REEF_RECORD_DESCRIBE_H

#include "core/text.h"
#include "format.h"

/* Adds a line without its end. */
void reef_describe(struct reef_text *to, const struct reef_item *item);

#endif

/* Object ids: 4 bytes of seconds, 5 by chance that are the process's own, 3 of a counter that begins by chance; all
 * big-endian. By the specification "ObjectId". Any thread.
 */
#ifndef REEF_BSON_OID_H
#define REEF_BSON_OID_H

#include <stdint.h>

#include "format.h"

void reef_bson_oid_new(uint8_t oid[REEF_BSON_OID_SIZE]);
uint32_t reef_bson_oid_next_increment(void);

#endif

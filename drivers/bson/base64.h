/* Base64 (RFC 4648, section 4). Free of state. */
#ifndef REEF_BSON_BASE64_H
#define REEF_BSON_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes the text for up to three bytes. */
void reef_base64_encode_group(char out[4], const uint8_t *bytes, size_t size);
/* Decodes `*size` characters in place, and says how many bytes they are; `=` at the end may be missing. False: this is no
 * base64. */
bool reef_base64_decode(uint8_t *text, size_t *size);

#endif

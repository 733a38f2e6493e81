/* See slot.h. The CRC is CRC-16/XMODEM, four bits at a time: a table of 32 bytes stays in the cache. */
#include "slot.h"

#include <stdint.h>
#include <string.h>

static const uint16_t nibbles[16] = {
		0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
		0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};

static unsigned crc16(const char *bytes, size_t size) {
	unsigned crc = 0;
	for (size_t i = 0; i < size; i++) {
		unsigned byte = (unsigned char)bytes[i];
		crc = (crc << 4 & 0xffff) ^ nibbles[(crc >> 12) ^ (byte >> 4)];
		crc = (crc << 4 & 0xffff) ^ nibbles[(crc >> 12) ^ (byte & 15)];
	}
	return crc;
}

unsigned reef_redis_slot(const char *key, size_t size) {
	const char *open = memchr(key, '{', size);
	if (open) {
		size_t left = size - (size_t)(open - key) - 1;
		const char *close = memchr(open + 1, '}', left);
		if (close && close > open + 1)
			return crc16(open + 1, (size_t)(close - open - 1)) % REEF_REDIS_SLOTS;
	}
	return crc16(key, size) % REEF_REDIS_SLOTS;
}

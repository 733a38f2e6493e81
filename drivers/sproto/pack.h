/* 0-packing: bytes in groups of eight, without those that are zero. No allocation; any thread. */
#ifndef REEF_SPROTO_PACK_H
#define REEF_SPROTO_PACK_H

#include <stddef.h>
#include <sys/types.h>

/* Room that n packed bytes take at the most. */
size_t reef_sproto_pack_bound(size_t n);
/* Packs into `out`, which has that room. How many bytes it came to. */
size_t reef_sproto_pack(const char *bytes, size_t n, char *out);

/* How many bytes `n` packed ones come to; -1: they are not packed bytes. */
ssize_t reef_sproto_unpacked_size(const char *bytes, size_t n);
/* Unpacks what that function has measured. */
void reef_sproto_unpack(const char *bytes, size_t n, char *out);

#endif

/* 0-packing, as sproto has it.
 *
 * A group is a byte whose bits say which of its eight bytes are not zero, and these. A group without a zero begins a run:
 * 0xff, a byte N, and N + 1 groups as they are. Groups with one or two zeros go on a run, since that costs no more. */
#include "pack.h"

#include <stdbool.h>
#include <string.h>

#define GROUP ((size_t)8)
#define MOST_GROUPS ((size_t)256) /* of a run */
#define RUN 0xffu

size_t reef_sproto_pack_bound(size_t n) {
	size_t groups = (n + GROUP - 1) / GROUP;
	return groups * (GROUP + 2);
}

/* The next group, filled up with zeros; how many of its bytes are not zero, and which. */
static unsigned int next_group(const char *bytes, size_t n, char *group, unsigned int *mask) {
	size_t size = n < GROUP ? n : GROUP;
	memset(group, 0, GROUP);
	memcpy(group, bytes, size);
	unsigned int count = 0;
	*mask = 0;
	for (unsigned int i = 0; i < GROUP; i++) {
		unsigned int bit = group[i] != 0;
		count += bit;
		*mask |= bit << i;
	}
	return count;
}

size_t reef_sproto_pack(const char *bytes, size_t n, char *out) {
	char *at = out, *run = NULL;
	size_t run_groups = 0;
	for (size_t done = 0; done < n; done += GROUP) {
		char group[GROUP];
		unsigned int mask, count = next_group(bytes + done, n - done, group, &mask);
		bool goes_on = run != NULL && run_groups < MOST_GROUPS && count >= GROUP - 2;
		if (!goes_on && count == GROUP) {
			run = at;
			run_groups = 0;
			*at++ = (char)RUN;
			at++;
			goes_on = true;
		}
		if (goes_on) {
			run[1] = (char)run_groups++;
			memcpy(at, group, GROUP);
			at += GROUP;
			continue;
		}
		run = NULL;
		*at++ = (char)mask;
		for (unsigned int i = 0; i < GROUP; i++) {
			if (group[i] != 0)
				*at++ = group[i];
		}
	}
	return (size_t)(at - out);
}

ssize_t reef_sproto_unpacked_size(const char *bytes, size_t n) {
	size_t at = 0, size = 0;
	while (at < n) {
		unsigned int mask = (unsigned char)bytes[at++];
		if (mask == RUN) {
			if (at == n)
				return -1;
			size_t run = ((size_t)(unsigned char)bytes[at++] + 1) * GROUP;
			if (run > n - at)
				return -1;
			at += run;
			size += run;
		} else {
			at += (size_t)__builtin_popcount(mask);
			if (at > n)
				return -1;
			size += GROUP;
		}
	}
	return (ssize_t)size;
}

void reef_sproto_unpack(const char *bytes, size_t n, char *out) {
	for (const char *end = bytes + n; bytes < end;) {
		unsigned int mask = (unsigned char)*bytes++;
		if (mask == RUN) {
			size_t run = ((size_t)(unsigned char)*bytes++ + 1) * GROUP;
			memcpy(out, bytes, run);
			out += run;
			bytes += run;
		} else {
			for (unsigned int i = 0; i < GROUP; i++)
				*out++ = mask >> i & 1 ? *bytes++ : 0;
		}
	}
}

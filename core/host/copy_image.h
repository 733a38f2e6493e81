/* The image of a prepared VM: one block of bytes, and where in it are addresses. Immutable; any thread may read one. */
#ifndef REEF_COPY_IMAGE_H
#define REEF_COPY_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/array.h"

struct reef_host;

struct reef_image {
	char *bytes;
	uint32_t size, room; /* bytes; those of the block that a copy lies in */
	size_t lent_size;    /* those that its copies read in common */
	struct reef_copy_blocks *blocks;
	struct REEF_ARRAY(uint32_t) words; /* where words are addresses in the block; they hold offsets */
	struct REEF_ARRAY(uint32_t) hosts; /* the same for addresses in the host */
	struct REEF_ARRAY(uint32_t) records;
	uint32_t random; /* where the state of math.random lies, 0: there is none */
	size_t memory;   /* what the VM has allocated */
	int functions;   /* of its host */
	void *record;    /* kept (struct reef_record_hooks) */
	/* Files that would be its main file if they were there: zero bytes separate them. NULL: there are none. */
	char *passed;
	size_t passed_size;
	bool varies; /* its main function looks at its arguments */
	/* What follows is of VMs whose main function has run. */
	bool begun;
	bool completed; /* of its host, as the next */
	int unknown_request, unknown_response;
	int starts;
	struct reef_protocol *protocols;
	int protocol_count;
	char *notes; /* as reef_watch_finds_the_same knows them */
	size_t notes_size;
};

/* Makes the image of the VM that `host` would make with these arguments, and whose main function has run if it shall have
 * `begun`; NULL: `why` says why it cannot be copied. */
struct reef_image *reef_image_make(const struct reef_host *host, const char *arguments, bool begun, const char **why);
/* Makes the host's VM. False: there was no memory for it, and nothing has changed. */
bool reef_image_copy(const struct reef_image *image, struct reef_host *host);
void reef_image_delete(struct reef_image *image);

#endif

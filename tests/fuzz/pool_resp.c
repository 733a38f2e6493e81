/* However bytes are cut, a reply ends where it ends, or is bad with the same reason; no byte beyond what has come is
 * looked at. The first byte says how many replies are expected, and whether on a stream, the second how the rest is cut. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/pool/frame.h"

static enum reef_frame scan(struct reef_frames *frames, const uint8_t *data, size_t n) {
	char *copy = malloc(n ? n : 1);
	memcpy(copy, data, n);
	enum reef_frame found = reef_pool_resp.scan(frames, copy, n);
	free(copy);
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 2)
		return 0;
	uint32_t replies = data[0] % 5;
	bool stream = data[0] & 0x80;
	size_t step = 1 + data[1] % 16;
	data += 2;
	size -= 2;
	struct reef_frames whole = {.limit = 4096, .stream = stream}, cut = whole;
	reef_pool_resp.begin(&whole, replies);
	reef_pool_resp.begin(&cut, replies);
	enum reef_frame found = scan(&whole, data, size), pieces = REEF_FRAME_INCOMPLETE;
	for (size_t n = 0; n < size && pieces == REEF_FRAME_INCOMPLETE;) {
		n = size - n < step ? size : n + step;
		pieces = scan(&cut, data, n);
	}
	assert(found == pieces);
	if (found == REEF_FRAME_COMPLETE) {
		assert(whole.at == cut.at && whole.at <= size && whole.error == cut.error);
	} else if (found == REEF_FRAME_BAD) {
		assert(strcmp(whole.why, cut.why) == 0);
	}
	return 0;
}

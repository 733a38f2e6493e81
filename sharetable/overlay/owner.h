/* Who owns a shared object: what its GC link points to, which is of no other use in an object that is on no list.
 *
 * Pooled strings have no owner (NULL): they are never freed.
 */
#ifndef REEF_SHARETABLE_OWNER_H
#define REEF_SHARETABLE_OWNER_H

#include <stddef.h>

struct Table;

struct reef_owner {
	/* Writes where `t` is found, `cfg.monsters[12]`, into a buffer of `size` bytes: cut short if need be, ended by a
	 * NUL in any case. Called by a VM that may read t now. */
	void (*path)(struct reef_owner *owner, const struct Table *t, char *out, size_t size);
};

#define reef_owner_of(o) ((struct reef_owner *)(void *)(o)->next)

#endif

/* The pool of identifiers: short strings that all VMs share and that live as long as the process.
 *
 * Names of library functions, constants and variables of shared code, field names of shared records. The pool is bounded
 * and takes only what looks like an identifier: other strings live and die with the data they came with. Any thread may
 * call these; finding takes no lock.
 */
#ifndef REEF_SHARETABLE_POOL_H
#define REEF_SHARETABLE_POOL_H

#include <stddef.h>

struct TString;

/* The pooled string with those bytes, or NULL. `hash` is Lua's, with the process' seed. */
struct TString *reef_pool_find(const char *str, size_t l, unsigned int hash);

/* The pooled string like `src` (any short string), added if it is an identifier and the pool has room. Or NULL. */
struct TString *reef_pool_add(const struct TString *src);

/* Strings in the pool, and the bytes they take. */
void reef_pool_stat(size_t *count, size_t *bytes);

/* Tests only: makes all pages that hold pooled strings read-only. Later strings go to new pages. */
void reef_pool_protect(void);

#endif

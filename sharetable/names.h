/* The names of the standard libraries in the pool of identifiers. */
#ifndef REEF_SHARETABLE_NAMES_H
#define REEF_SHARETABLE_NAMES_H

/* Before the first VM. */
void reef_share_library_names(void);

#endif

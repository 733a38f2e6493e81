/* Hides passwords in text of any kind. Any thread. */
#ifndef REEF_REDACT_H
#define REEF_REDACT_H

#include "text.h"

/* Adds `text` with `***` for what may be a secret. */
void reef_redact_add(struct reef_text *t, const char *text, size_t size);
/* Is that the name of something secret, as names of options and fields go: `password`, `tls_key_password`, `auth`? */
bool reef_redact_names_secret(const char *word, size_t size);

#endif

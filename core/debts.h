/* Requests that nobody in the service will answer any more, as far as the engine can see: a handler has ended without an
 * answer, or said that others answer, or a service in C has got one. Whoever asked hears of it when the service ends.
 *
 * A set of pairs (who asked, session). What was answered in a way that nobody notices stays in it, which does no harm:
 * an error for a session that is closed is dropped. So beyond a size the set forgets those who are gone, and then, of
 * those who are left, which of their requests they were. Belongs to the service; own slice only. */
#ifndef REEF_DEBTS_H
#define REEF_DEBTS_H

#include <stdint.h>

#include "ptrmap.h"

struct reef_debts {
	struct reef_ptrmap pairs; /* to nothing */
	size_t limit;             /* how many may be remembered one by one */
};

/* `type` is the request's. Those of calls, REEF_PTYPE_LUA and REEF_PTYPE_SNAX, may have come by way of others. Other
 * protocols may use sessions as data, and the number may mean something else to its sender: an error for them concerns
 * only what was sent to this very service. */
void reef_debts_add(struct reef_debts *debts, uint32_t source, int32_t session, int type);
/* The request was answered, or passed on to somebody who will. */
void reef_debts_remove(struct reef_debts *debts, uint32_t source, int32_t session);
/* The service `handle` ends: those who asked get errors. The set is empty and holds no memory afterwards. */
void reef_debts_fail(struct reef_debts *debts, uint32_t handle);

#endif

/* Publishing: how sheets change.
 *
 * It has two parts. Planning compares new tables with the sheets' rows and makes whatever content changes; it takes as long
 * as it takes, in one slice of the publisher. Committing stops the world for a moment and switches all changed rows of all
 * planned sheets at once. One plan at a time in the process.
 */
#ifndef REEF_DATASHEET_PUBLISH_H
#define REEF_DATASHEET_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_plan;

/* Begins a plan. False: somebody else is publishing; try again later. `*plan` is NULL when out of memory. */
bool reef_publish_begin(struct reef_plan **plan);
/* Gives up what was not committed. */
void reef_publish_end(struct reef_plan *plan);

/* Plans the table at `index` to be what the sheet of that name holds; the name may be a new one. False: `why` says what
 * cannot be shared, and where, or that memory is out; the plan is of no more use. Never raises. */
bool reef_publish_table(struct reef_plan *plan, lua_State *L, const char *name, int index, char *why, size_t size);
/* Plans what the table at `index` names to be changed in that sheet, which must exist: tables are merged into the rows
 * they meet. Costs what it names, and the size of each row that changes. */
bool reef_publish_patch(struct reef_plan *plan, lua_State *L, const char *name, int index, char *why, size_t size);
/* Plans the end of a sheet: nobody finds it any more, and who holds it keeps it as it is. It must exist. */
bool reef_publish_deletion(struct reef_plan *plan, lua_State *L, const char *name, char *why, size_t size);

/* What is left to do before a commit. False when out of memory. Afterwards nothing may be added. */
bool reef_publish_prepare(struct reef_plan *plan);
/* How many rows will be switched, made and removed. */
void reef_publish_stat(const struct reef_plan *plan, size_t *changed, size_t *added, size_t *removed);

/* Switches. False: the service `*in_the_way` was running for longer than `patience_ns` (0: unknown); try again later.
 * After a success the plan can only be deleted. Only from a slice. */
bool reef_publish_commit(struct reef_plan *plan, uint64_t patience_ns, uint32_t *in_the_way);

#endif

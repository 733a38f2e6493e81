/* What was at work where a record has something. To record that at each deed would be dear; instead the record is replayed up to
 * there, with the code that was recorded, by a process of its own: `reef replay FILE --stack OFFSET`. Own slice only. */
#ifndef REEF_RECORDED_STACK_H
#define REEF_RECORDED_STACK_H

#include <stddef.h>

/* Below a difference: has that done by a process, and says what it has found. */
void reef_recorded_stack_say(size_t offset);

/* In that process. From now on the service says nothing; before it begins. */
void reef_recorded_stack_begin(void);
/* The replay is there. */
_Noreturn void reef_recorded_stack_show(void);
/* It does not get there. */
_Noreturn void reef_recorded_stack_fail(const char *why);

#endif

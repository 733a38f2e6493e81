/* Interruption of a VM in an endless loop. */
#ifndef REEF_INTERRUPT_H
#define REEF_INTERRUPT_H

struct reef_host;

/* From here to `leave` this thread runs the VM; may be nested. */
void reef_interrupt_enter(struct reef_host *host);
void reef_interrupt_leave(struct reef_host *host);
/* Makes the VM raise if it runs. Any thread inside the engine. */
void reef_interrupt_send(struct reef_host *host);
/* Start-up only. */
void reef_interrupt_setup(void);

#endif

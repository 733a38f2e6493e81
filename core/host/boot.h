/* How a VM begins. Own slice only. */
#ifndef REEF_BOOT_H
#define REEF_BOOT_H

struct reef_host;

/* Makes the VM of a host and runs its main chunk. Who has nothing to do afterwards is ended, and the launcher told. */
void reef_boot(struct reef_host *host);

#endif

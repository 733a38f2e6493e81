/* The record of a VM for copies of that VM: the files that it has loaded, each of which a copy refers to as well. */
#ifndef REEF_SHARETABLE_VM_COPY_H
#define REEF_SHARETABLE_VM_COPY_H

#include "core/host/host.h"

extern const struct reef_record_hooks reef_vm_record_hooks;

#endif

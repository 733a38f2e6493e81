/* lvm.c with the hooks of ov.h: assignments in the VM's loop save their position before they are refused. */
#define REEF_OV_LVM
#include "ov.h"

#include "lvm.c"

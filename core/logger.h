/* The built-in logger service (logger.c). */
#ifndef REEF_LOGGER_H
#define REEF_LOGGER_H

#include "module.h"

extern const struct reef_module reef_logger_module;

#endif

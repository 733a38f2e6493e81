/* Names of the kinds of messages (reef_service_kind_of). Any thread. */
#ifndef REEF_HOST_KINDS_H
#define REEF_HOST_KINDS_H

const char *reef_kind_name(unsigned kind);

#endif

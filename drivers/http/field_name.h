/* Names of fields: which are any, and those that Reef knows. Any thread may call. */
#ifndef REEF_HTTP_FIELD_NAME_H
#define REEF_HTTP_FIELD_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Bits. Of all but the first, a message has one field at most; Connection is a list that Reef writes as one. */
enum reef_http_field_kind {
	REEF_HTTP_LIST = 0, /* may be there repeatedly, as far as Reef knows */
	REEF_HTTP_LENGTH = 1,
	REEF_HTTP_ENCODING = 2,
	REEF_HTTP_CONNECTION = 4,
	REEF_HTTP_DATE = 8,
	REEF_HTTP_TYPE = 16,
	REEF_HTTP_HOST = 32,
	REEF_HTTP_LOCATION = 64,
	REEF_HTTP_ETAG = 128,
	REEF_HTTP_MODIFIED = 256,
	REEF_HTTP_RANGE = 512,
	REEF_HTTP_EXPECT = 1024,
	REEF_HTTP_AUTHORIZATION = 2048,
	REEF_HTTP_PROXY_AUTHORIZATION = 4096,
};

/* The name in any case. */
enum reef_http_field_kind reef_http_field_kind(const char *name, size_t n);

bool reef_http_is_field_name(const char *name, size_t n);

#endif

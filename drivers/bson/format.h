/* The BSON format: types and limits. By bsonspec.org, version 1.1. */
#ifndef REEF_BSON_FORMAT_H
#define REEF_BSON_FORMAT_H

enum reef_bson_type {
	REEF_BSON_END = 0x00,
	REEF_BSON_DOUBLE = 0x01,
	REEF_BSON_STRING = 0x02,
	REEF_BSON_DOCUMENT = 0x03,
	REEF_BSON_ARRAY = 0x04,
	REEF_BSON_BINARY = 0x05,
	REEF_BSON_UNDEFINED = 0x06,
	REEF_BSON_OBJECTID = 0x07,
	REEF_BSON_BOOLEAN = 0x08,
	REEF_BSON_DATE = 0x09,
	REEF_BSON_NULL = 0x0a,
	REEF_BSON_REGEX = 0x0b,
	REEF_BSON_DBPOINTER = 0x0c,
	REEF_BSON_CODE = 0x0d,
	REEF_BSON_SYMBOL = 0x0e,
	REEF_BSON_CODE_SCOPE = 0x0f,
	REEF_BSON_INT32 = 0x10,
	REEF_BSON_TIMESTAMP = 0x11,
	REEF_BSON_INT64 = 0x12,
	REEF_BSON_DECIMAL128 = 0x13,
	REEF_BSON_MAXKEY = 0x7f,
	REEF_BSON_MINKEY = 0xff,
};

/* Documents nested deeper than this are neither written nor read. */
#define REEF_BSON_DEPTH 128
/* No document is larger: lengths are signed 32-bit numbers. */
#define REEF_BSON_SIZE 0x7fffffff
#define REEF_BSON_OID_SIZE 12

#endif

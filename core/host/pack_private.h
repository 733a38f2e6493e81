/* The format of Lua values as bytes, which pack.c writes and unpack.c reads.
 *
 * A tag byte is type | cookie << 3, little-endian integers follow. Types: 0 nil; 1 boolean (cookie); 2 number (cookie 0:
 * zero, 1: u8, 2: u16, 4: i32, 6: i64, 8: double); 3 light userdata (8 bytes); 4 short string (cookie: length below 32);
 * 5 long string (cookie 2: u16 length, 4: u32 length); 6 table (cookie: length of the array part, 31: an integer value
 * with it follows), its array, then key and value pairs up to a nil key. Tables nest at most 32 deep. Equal references
 * are written again; metatables are lost, but a table with __pairs is written as what that iterates, and of an empty
 * table with the metatable of arrays the nil at the end has cookie 1, so that it is one again where it is read. */
#ifndef REEF_PACK_PRIVATE_H
#define REEF_PACK_PRIVATE_H

enum { TYPE_NIL, TYPE_BOOLEAN, TYPE_NUMBER, TYPE_POINTER, TYPE_SHORT_STRING, TYPE_LONG_STRING, TYPE_TABLE };
enum { NUMBER_ZERO = 0, NUMBER_U8 = 1, NUMBER_U16 = 2, NUMBER_I32 = 4, NUMBER_I64 = 6, NUMBER_DOUBLE = 8 };
/* With the nil that ends a table: it is an array, which its content cannot say. */
enum { END_OF_EMPTY_ARRAY = 1 };
enum { COOKIE_LIMIT = 32, MAX_DEPTH = 32, GATHERED_PAIRS = 32 };

#endif

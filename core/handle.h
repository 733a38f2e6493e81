/* Handles: which service a number means. */
#ifndef REEF_HANDLE_H
#define REEF_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_service;

/* Looks a handle up; the pointer is good until the calling thread's next quiescent point. NULL: no such service. Any
 * thread inside the engine. */
struct reef_service *reef_handle_find(uint32_t handle);
/* Who has that handle, if anybody has, without looking at him: a hint. Any thread inside the engine. */
const void *reef_handle_hint(uint32_t handle);
/* Living services; fills at most `n` handles in increasing order, returns how many there are. */
size_t reef_handle_list(uint32_t *handles, size_t n);

/* ---- for the life of services ---- */

/* Gives the service its handle and makes it reachable. */
uint32_t reef_handle_add(struct reef_service *service);
/* False if it was removed before. */
bool reef_handle_remove(struct reef_service *service);
/* The next handle to be tried; for tests of the wrap-around. */
void reef_handle_set_next(uint32_t handle);

#endif

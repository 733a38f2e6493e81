/* Local names of services: `.name`, given without the dot. Any thread inside the engine. */
#ifndef REEF_NAME_H
#define REEF_NAME_H

#include <stdbool.h>
#include <stdint.h>

/* 0 if nobody has that name. */
uint32_t reef_name_find(const char *name);
/* False if the name is taken (and stays as it is) or the handle is dead. All names of a service vanish with it. */
bool reef_name_add(const char *name, uint32_t handle);
/* The service has ended. */
void reef_name_remove_all(uint32_t handle);
/* `.name`, `:hex` or a number as text; 0 if there is none such. */
uint32_t reef_address_parse(const char *text);
enum { REEF_HANDLE_TEXT = 10 };
/* Writes the address of a handle, `:` and eight digits, with a zero byte behind it, and returns `text`. Much faster than
 * snprintf: each line of the log has one. */
char *reef_handle_text(char text[REEF_HANDLE_TEXT], uint32_t handle);

#endif

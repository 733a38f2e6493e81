/* Kinds of services: the built-in ones, and those that a loader finds. Modules are never unloaded. */
#ifndef REEF_MODULE_H
#define REEF_MODULE_H

#include <stdint.h>

struct reef_service;
struct reef_warm;

/* What kind of service a module makes: `snlua`, `logger`, a C service loaded through cpath ... */
struct reef_module {
	const char *name;
	/* Sets up an instance: calls reef_service_set_callback and may send messages to itself. Runs before the handle is
	 * given to anybody, on the launching thread. Returns 0, or anything else to refuse (release is called then too). */
	int (*init)(struct reef_service *service, const char *args);
	/* Ends the instance: every request it still owes a reply must be answered with REEF_PTYPE_ERROR here. Runs on the
	 * thread that ran the service last, or on the launching one after a refused init. */
	void (*release)(struct reef_service *service);
	/* Frees the instance's memory, when no other thread can be inside `signal` any more. On any thread inside the engine.
	 * NULL if there is nothing to free. */
	void (*dispose)(struct reef_service *service);
	/* `SIGNAL`: may be called by any thread, even during and after `release`. NULL if the module has none. */
	void (*signal)(struct reef_service *service, int n);
	/* Notes what the next slice will want (warm.h), at the end of one. NULL if the module does not. */
	void (*warm)(struct reef_service *service, struct reef_warm *warm);
	/* That service is gone, although it cannot say so itself: what was asked of it fails. In an own slice. NULL if the
	 * module asks nobody. */
	void (*down)(struct reef_service *service, uint32_t handle);
	/* Around each event that is delivered in a slice of the service, whose code may run meanwhile. NULL if the module need
	 * not know. */
	void (*enter)(struct reef_service *service);
	void (*leave)(struct reef_service *service);
	/* For a module that adapts others (C services from cpath): its own data, found by reef_service_module. */
	void *data;
};

/* A registered module, or what the loader loads, which is then registered. NULL with the reason logged. Any thread. */
const struct reef_module *reef_module_find(const char *name);
/* What loads the modules that nobody registered; it is called by one thread at a time. Start-up only. */
void reef_module_set_loader(const struct reef_module *(*loader)(const char *name));
/* Makes a built-in module known under its name. Start-up only. */
void reef_module_register(const struct reef_module *module);

#endif

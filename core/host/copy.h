/* Services of a name that was launched before begin as copies: the VM is not made anew up to where its own code begins,
 * but copied from an image of one that is there already. Nothing that a script can see differs.
 *
 * An image is made when a name is launched for the second time, and thrown away when the code cache forgets files, or a
 * path of the configuration is set. When it is launched once more, a template is made: an image of a VM whose main
 * function has run, up to where its start function begins; if the main function does nothing that is felt outside the VM
 * (watch.h). One that looks at its arguments is a template for the same arguments only. A template is thrown away, too,
 * when a file of it is gone or another one would be found in its place. What cannot be copied is made the long way. */
#ifndef REEF_COPY_H
#define REEF_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_host;

enum reef_copied {
	REEF_COPIED_NOT,      /* there is no image of it, or no memory: nothing has changed */
	REEF_COPIED_PREPARED, /* as reef_prepare does */
	REEF_COPIED_BEGUN,    /* its main function has run, too */
};
/* Makes the host's VM for these arguments, which begin with the service's name. Own slice only. */
enum reef_copied reef_copy_boot(struct reef_host *host, const char *arguments);
/* A VM for these arguments was prepared the long way. Own slice only. */
void reef_copy_note(lua_State *L, const char *arguments);

struct reef_copy_stat {
	uint64_t images;            /* that were made */
	uint64_t refused;           /* names whose VMs cannot be copied */
	size_t bytes;               /* of the images that there are, templates included */
	uint64_t templates;         /* that were made */
	uint64_t refused_templates; /* attempts to make one */
};
/* Any thread. */
void reef_copy_stat(struct reef_copy_stat *stat);
/* Why the VMs of that service cannot be copied; NULL: they can, or that is not known yet. The text lives as long as the
 * process. Any thread. */
const char *reef_copy_refused(const char *name);
/* The same for its templates: why the last one could not be made. */
const char *reef_copy_template_refused(const char *name);

#endif

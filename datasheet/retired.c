/* Retired rows and strings. One round at a time: its objects are those retired until it began; those that some reader
 * still holds when it ends take part in the next.
 *
 * A reader owes an answer until it was walked or its VM is gone. Its event stays valid until it was delivered or dropped,
 * whatever becomes of the VM. One lock guards everything. */
#include "retired.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/message.h"
#include "core/service.h"
#include "sharetable/ptrmap.h"
#include "sharetable/vm.h"
#include "sharetable/walk.h"

#define ENOUGH_BYTES ((size_t)512 * 1024)
#define ENOUGH_OBJECTS 8192

struct reader {
	struct reef_event event;
	struct reader *next, **link;
	lua_State *L; /* the VM's main thread */
	uint32_t handle;
	bool open;    /* the VM lives */
	bool in_mail; /* the event is under way */
	bool owes;
};

struct retired {
	struct retired *next;
	GCObject *object;
	char *path; /* of a row */
	size_t size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reader *readers;
static size_t reader_count;
static struct retired *waiting;             /* for the next round */
static size_t waiting_count, waiting_bytes; /* of those that came since the last */
static size_t total_count, total_bytes;

static struct {
	bool running;
	struct retired *objects;
	struct reef_ptrmap members; /* object -> itself */
	struct reef_ptrmap left;    /* those that somebody holds */
	uintptr_t lo, hi;
	size_t owing;
	bool failed; /* a walk had no memory: all may be held */
} current;

static const char key; /* its address names the reader in the registry */

/* ---- the end of a current; with the lock held ---- */

static void free_retired(struct retired *r) {
	total_count--;
	total_bytes -= r->size;
	if (r->object->tt == LUA_VTABLE)
		reef_free(reef_row_of(gco2t(r->object)));
	else
		reef_row_string_free(gco2ts(r->object));
	reef_free(r->path);
	reef_free(r);
}

static void end_round(void) {
	for (struct retired *r = current.objects, *next; r != NULL; r = next) {
		next = r->next;
		if (current.failed || reef_ptrmap_get(&current.left, r->object) != NULL) {
			r->next = waiting;
			waiting = r;
		} else {
			free_retired(r);
		}
	}
	reef_ptrmap_fini(&current.members);
	reef_ptrmap_fini(&current.left);
	current.running = false;
}

static void settle(struct reader *reader) {
	if (!reader->owes)
		return;
	reader->owes = false;
	if (--current.owing == 0)
		end_round();
}

/* ---- readers ---- */

static void free_if_unused(struct reader *reader) {
	if (!reader->open && !reader->in_mail)
		reef_free(reader);
}

static void note_left(void *ud, const void *o) {
	(void)ud;
	pthread_mutex_lock(&lock);
	if (!reef_ptrmap_put(&current.left, o, (void *)o))
		current.failed = true;
	pthread_mutex_unlock(&lock);
}

/* The round cannot end as long as this reader owes, so its members stay as they are during the walk. */
static void deliver(struct reef_service *service, struct reef_event *event) {
	(void)service;
	struct reader *reader = (struct reader *)event;
	pthread_mutex_lock(&lock);
	reader->in_mail = false;
	bool walk = reader->owes;
	struct reef_walk look = {.owner = &reef_row_owner,
							 .lo = current.lo,
							 .hi = current.hi,
							 .members = &current.members,
							 .leave = note_left};
	pthread_mutex_unlock(&lock);
	bool ok = !walk || reef_walk(reader->L, &look, 1);
	pthread_mutex_lock(&lock);
	current.failed |= !ok;
	settle(reader);
	pthread_mutex_unlock(&lock);
}

static void drop(struct reef_event *event) {
	struct reader *reader = (struct reader *)event;
	pthread_mutex_lock(&lock);
	reader->in_mail = false;
	free_if_unused(reader);
	pthread_mutex_unlock(&lock);
}

static void close_reader(void *ud) {
	struct reader *reader = ud;
	pthread_mutex_lock(&lock);
	*reader->link = reader->next;
	if (reader->next != NULL)
		reader->next->link = reader->link;
	reader_count--;
	settle(reader);
	reader->open = false;
	free_if_unused(reader);
	pthread_mutex_unlock(&lock);
}

void reef_retired_add_reader(lua_State *L) {
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
	bool known = !lua_isnil(L, -1);
	lua_pop(L, 1);
	if (known)
		return;
	struct reef_vm *vm = reef_vm_of(L);
	lua_pushboolean(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
	struct reef_service *service = reef_service_current();
	struct reader *reader = reef_calloc(1, sizeof(*reader));
	reader->event.message.flags = REEF_MESSAGE_EVENT;
	reader->event.deliver = deliver;
	reader->event.drop = drop;
	reader->L = G(L)->mainthread;
	reader->handle = service == NULL ? 0 : reef_service_handle(service);
	reader->open = true;
	reef_vm_on_close(vm, close_reader, reader);
	pthread_mutex_lock(&lock);
	reader->next = readers;
	reader->link = &readers;
	if (readers != NULL)
		readers->link = &reader->next;
	readers = reader;
	reader_count++;
	pthread_mutex_unlock(&lock);
}

/* ---- retiring ---- */

static void add(GCObject *object, size_t size, char *path) {
	struct retired *r = reef_malloc(sizeof(*r));
	*r = (struct retired){.object = object, .path = path, .size = size};
	pthread_mutex_lock(&lock);
	r->next = waiting;
	waiting = r;
	waiting_count++;
	waiting_bytes += size;
	total_count++;
	total_bytes += size;
	pthread_mutex_unlock(&lock);
}

void reef_retired_add_string(TString *s) {
	add(obj2gco(s), sizelstring(tsslen(s)) + 2 * sizeof(void *), NULL);
}

void reef_retired_add_row(struct reef_row *row, char *path) {
	add(obj2gco(&row->table), sizeof(*row), path);
}

/* With the lock held. False when out of memory: the round has not begun. */
static bool begin_round(void) {
	memset(&current, 0, sizeof(current));
	current.lo = UINTPTR_MAX;
	for (struct retired *r = waiting; r != NULL; r = r->next) {
		uintptr_t at = (uintptr_t)r->object;
		if (!reef_ptrmap_put(&current.members, r->object, r->object)) {
			reef_ptrmap_fini(&current.members);
			return false;
		}
		current.lo = at < current.lo ? at : current.lo;
		current.hi = at + 1 > current.hi ? at + 1 : current.hi;
	}
	current.objects = waiting;
	waiting = NULL;
	waiting_count = waiting_bytes = 0;
	current.running = true;
	return true;
}

/* A service that ends meanwhile has its reader closed, or its event dropped, by whoever ends it: with the lock let go in
 * between, the list may change, so the events are sent from a list of their own. */
void reef_retired_collect(bool now) {
	struct reader **list = NULL;
	size_t count = 0;
	pthread_mutex_lock(&lock);
	bool enough = waiting_bytes >= ENOUGH_BYTES || waiting_count >= ENOUGH_OBJECTS || (now && waiting != NULL);
	if (enough && !current.running && begin_round()) {
		list = reef_malloc((reader_count + 1) * sizeof(*list));
		current.owing = 1; /* this function, so that the round does not end before all are asked */
		for (struct reader *reader = readers; reader != NULL; reader = reader->next) {
			reader->owes = true;
			current.owing++;
			/* One whose last event is still under way will be asked by that. */
			if (!reader->in_mail) {
				reader->in_mail = true;
				list[count++] = reader;
			}
		}
	}
	pthread_mutex_unlock(&lock);
	if (list == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		/* The service is gone, its VM is closed or about to be: that settles what the reader owes. */
		if (!reef_send_event(list[i]->handle, &list[i]->event))
			drop(&list[i]->event);
	}
	reef_free(list);
	pthread_mutex_lock(&lock);
	if (--current.owing == 0)
		end_round();
	pthread_mutex_unlock(&lock);
}

bool reef_retired_path(const Table *t, char *out, size_t size) {
	bool found = false;
	pthread_mutex_lock(&lock);
	for (int list = 0; list < 2 && !found; list++) {
		for (struct retired *r = list == 0         ? waiting
								 : current.running ? current.objects
												   : NULL;
			 r != NULL; r = r->next) {
			if (r->object == (const GCObject *)t && r->path != NULL) {
				snprintf(out, size, "%s", r->path);
				found = true;
				break;
			}
		}
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void reef_retired_stat(size_t *count, size_t *bytes, size_t *reader_total) {
	pthread_mutex_lock(&lock);
	*count = total_count;
	*bytes = total_bytes;
	*reader_total = reader_count;
	pthread_mutex_unlock(&lock);
}

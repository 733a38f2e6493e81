/* Retired rows and strings. One round at a time: its objects are those retired until it began; those that some reader
 * still holds when it ends take part in the next.
 *
 * A reader owes an answer until it was walked or its VM is gone. Its event stays valid until it was delivered or dropped,
 * whatever becomes of the VM. One lock guards everything. */
#include "retired.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "core/message.h"
#include "core/ptrmap.h"
#include "core/send.h"
#include "core/service.h"
#include "core/slice.h"
#include "sharetable/trail.h"
#include "sharetable/vm.h"
#include "sharetable/walk.h"

#define ENOUGH_BYTES ((size_t)512 * 1024)
#define ENOUGH_OBJECTS 8192

struct reader {
	struct reef_event event;
	struct reef_vm_closer closer;
	struct reader *next, **link;
	lua_State *L; /* the VM's main thread */
	uint32_t handle;
	bool open;    /* the VM lives */
	bool in_mail; /* the event is under way */
	bool owes;
};

struct reef_note {
	Table *root; /* of a deleted sheet */
	size_t rows;
	bool held; /* by what a round has found */
	char path[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reader *readers;
static size_t reader_count;
static GCObject *waiting;                   /* for the next round, linked as row.h says */
static GCObject *dead;                      /* rows of deleted sheets */
static size_t waiting_count, waiting_bytes; /* of those that came since the last */
static size_t total_count, total_bytes;

static struct {
	bool running;
	GCObject *objects;
	struct reef_ptrmap members; /* object -> itself */
	struct reef_ptrmap left;    /* those that somebody holds */
	uintptr_t lo, hi;
	size_t owing;
	bool failed; /* a walk had no memory: all may be held */
} current;

static const char reader_key; /* its address names the reader in the registry */

/* ---- lists ---- */

static void push(GCObject **list, GCObject *o) {
	*reef_row_link(o) = *list;
	*list = o;
}

static GCObject *pop(GCObject **list) {
	GCObject *o = *list;
	*list = *reef_row_link(o);
	return o;
}

static struct reef_note *note_of(GCObject *o) {
	return o->tt == LUA_VTABLE ? reef_row_of(gco2t(o))->note : NULL;
}

struct reef_note *reef_note_new(Table *root, const char *path) {
	struct reef_note *note = reef_try_malloc(sizeof(*note) + strlen(path) + 1);
	if (note != NULL) {
		*note = (struct reef_note){.root = root};
		strcpy(note->path, path);
	}
	return note;
}

const char *reef_note_path(const struct reef_note *note) {
	return note->path;
}

/* ---- contents, by who is publishing ---- */

static void retired_add(GCObject *o);

static void unref(const TValue *v) {
	if (ttisstring(v) && reef_row_string_unref(tsvalue(v)))
		retired_add(obj2gco(tsvalue(v)));
}

void reef_retired_unref_strings(const Table *content) {
	struct reef_entries entries = reef_content_entries(content);
	const TValue *value;
	TValue key;
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		unref(&key);
		unref(value);
	}
}

/* ---- the end of a round; with the lock held ---- */

static void free_row(struct reef_row *row) {
	if (--row->note->rows == 0)
		reef_free(row->note);
	reef_row_free(row);
}

static void free_retired(GCObject *o) {
	total_count--;
	total_bytes -= reef_row_size(o);
	if (o->tt != LUA_VTABLE)
		reef_row_string_free(gco2ts(o));
	else if (note_of(o)->root != NULL)
		push(&dead, o);
	else
		free_row(reef_row_of(gco2t(o)));
}

static bool is_left(const GCObject *o) {
	return current.failed || reef_ptrmap_get(&current.left, o) != NULL;
}

static void end_round(void) {
	for (GCObject *o = current.objects; o != NULL; o = *reef_row_link(o)) {
		if (o->tt == LUA_VTABLE)
			note_of(o)->held |= is_left(o);
	}
	while (current.objects != NULL) {
		GCObject *o = pop(&current.objects);
		if (o->tt == LUA_VTABLE ? note_of(o)->held : is_left(o))
			push(&waiting, o);
		else
			free_retired(o);
	}
	reef_ptrmap_fini(&current.members);
	reef_ptrmap_fini(&current.left);
	current.running = false;
}

static void retired_settle(struct reader *reader) {
	if (!reader->owes)
		return;
	reader->owes = false;
	if (--current.owing == 0)
		end_round();
}

/* ---- deleted sheets, and who is publishing ---- */

static int publishing;

static bool has_dead(void) {
	pthread_mutex_lock(&lock);
	bool has = dead != NULL;
	pthread_mutex_unlock(&lock);
	return has;
}

static void dismantle(void) {
	pthread_mutex_lock(&lock);
	GCObject *list = dead;
	dead = NULL;
	pthread_mutex_unlock(&lock);
	while (list != NULL) {
		struct reef_row *row = reef_row_of(gco2t(pop(&list)));
		reef_retired_unref_strings(&row->table);
		reef_content_free(row, &row->table);
		free_row(row);
	}
}

bool reef_retired_begin_publishing(void) {
	int free = 0;
	return __atomic_compare_exchange_n(&publishing, &free, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Whoever found dead rows while somebody was publishing has left them to him. */
void reef_retired_end_publishing(void) {
	do {
		dismantle();
		__atomic_store_n(&publishing, 0, __ATOMIC_SEQ_CST);
	} while (has_dead() && reef_retired_begin_publishing());
}

static void dismantle_soon(void) {
	if (has_dead() && reef_retired_begin_publishing())
		reef_retired_end_publishing();
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
static void retired_deliver(struct reef_service *service, struct reef_event *event) {
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
	retired_settle(reader);
	pthread_mutex_unlock(&lock);
	dismantle_soon();
}

static void retired_drop(struct reef_event *event) {
	struct reader *reader = (struct reader *)event;
	pthread_mutex_lock(&lock);
	reader->in_mail = false;
	free_if_unused(reader);
	pthread_mutex_unlock(&lock);
}

static void close_reader(struct reef_vm_closer *closer) {
	struct reader *reader = (struct reader *)(void *)((char *)closer - offsetof(struct reader, closer));
	pthread_mutex_lock(&lock);
	*reader->link = reader->next;
	if (reader->next != NULL)
		reader->next->link = reader->link;
	reader_count--;
	retired_settle(reader);
	reader->open = false;
	free_if_unused(reader);
	pthread_mutex_unlock(&lock);
	dismantle_soon();
}

void reef_retired_add_reader(lua_State *L) {
	lua_rawgetp(L, LUA_REGISTRYINDEX, &reader_key);
	bool known = lua_toboolean(L, -1);
	lua_pop(L, 1);
	if (known)
		return;
	struct reef_vm *vm = reef_vm_of(L);
	/* The place in the registry first: that may raise. */
	lua_pushboolean(L, 0);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &reader_key);
	struct reef_service *service = reef_slice_service();
	struct reader *reader = reef_try_malloc(sizeof(*reader));
	if (reader == NULL)
		luaM_error(L);
	lua_pushboolean(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &reader_key);
	memset(reader, 0, sizeof(*reader));
	reader->event.message.flags = REEF_MESSAGE_EVENT;
	reader->event.deliver = retired_deliver;
	reader->event.drop = retired_drop;
	reader->L = G(L)->mainthread;
	reader->handle = service == NULL ? 0 : reef_service_handle(service);
	reader->open = true;
	reader->closer.f = close_reader;
	reef_vm_on_close(vm, &reader->closer);
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

static void retired_add(GCObject *o) {
	pthread_mutex_lock(&lock);
	push(&waiting, o);
	waiting_count++;
	waiting_bytes += reef_row_size(o);
	total_count++;
	total_bytes += reef_row_size(o);
	pthread_mutex_unlock(&lock);
}

void reef_retired_add_string(TString *s) {
	retired_add(obj2gco(s));
}

void reef_retired_add_row(struct reef_row *row, struct reef_note *note) {
	reef_row_retire(row, note);
	note->rows++;
	retired_add(obj2gco(&row->table));
}

/* With the lock held. False when out of memory: the round has not begun. */
static bool begin_round(void) {
	memset(&current, 0, sizeof(current));
	current.lo = UINTPTR_MAX;
	for (GCObject *o = waiting; o != NULL; o = *reef_row_link(o)) {
		uintptr_t at = (uintptr_t)o;
		if (!reef_ptrmap_put(&current.members, o, o)) {
			reef_ptrmap_fini(&current.members);
			return false;
		}
		if (o->tt == LUA_VTABLE)
			note_of(o)->held = false;
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
	/* Without memory the round has to wait for a better time. */
	if (enough && !current.running)
		list = reef_try_malloc((reader_count + 1) * sizeof(*list));
	if (list != NULL && !begin_round()) {
		reef_free(list);
		list = NULL;
	}
	if (list != NULL) {
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
			retired_drop(&list[i]->event);
	}
	reef_free(list);
	pthread_mutex_lock(&lock);
	if (--current.owing == 0)
		end_round();
	pthread_mutex_unlock(&lock);
	dismantle_soon();
}

/* ---- where they were ---- */

static const struct reef_note *find_note(GCObject *list, const Table *t) {
	for (; list != NULL; list = *reef_row_link(list)) {
		if (list == obj2gco((Table *)t))
			return note_of(list);
	}
	return NULL;
}

bool reef_retired_path(const Table *t, char *out, size_t size) {
	pthread_mutex_lock(&lock);
	const struct reef_note *note = find_note(waiting, t);
	if (note == NULL && current.running)
		note = find_note(current.objects, t);
	if (note != NULL) {
		snprintf(out, size, "%s", note->path);
		if (note->root != NULL)
			reef_trail_find(note->root, t, note->path, out, size);
	}
	pthread_mutex_unlock(&lock);
	return note != NULL;
}

#define TRIES 2000
#define PAUSE_NS 50000

bool reef_retired_ask_again(unsigned *tries) {
	if (++*tries > TRIES)
		return false;
	nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
	return true;
}

void reef_retired_stat(size_t *count, size_t *bytes, size_t *reader_total) {
	pthread_mutex_lock(&lock);
	*count = total_count;
	*bytes = total_bytes;
	*reader_total = reader_count;
	pthread_mutex_unlock(&lock);
}

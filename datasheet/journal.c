/* See journal.h. Each entry is kept until all services that were reading when it came have looked at it. One that does not
 * look for so long that entries become too many is told that its record cannot go on. */
#include "journal.h"

#include <pthread.h>
#include <string.h>

#include "core/alloc.h"
#include "core/seam.h"
#include "sharetable/picture.h"

#define MOST_BYTES ((size_t)64 << 20)

/* Of one sheet. */
struct part {
	const struct reef_row *root;
	struct reef_text text;
	bool deleted;
};

struct reef_journal_entry {
	struct reef_journal_entry *next;
	size_t readers; /* who have not looked yet */
	size_t bytes;
	struct REEF_ARRAY(struct part) parts;
	struct reef_text removed;
};

/* What a recorded service knows. */
struct view {
	struct reef_seam_view view; /* first */
	struct view *next;
	struct reef_journal_entry *entry; /* to be looked at; NULL: it has looked at all */
	struct reef_ptrmap roots;         /* of sheets that its record has */
	bool lost;                        /* it has missed some */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct view *views;
static struct reef_journal_entry *last;
static size_t all_bytes;
static uint64_t version;

/* ---- publishing ---- */

bool reef_journal_is_wanted(void) {
	if (!reef_seam_is_on())
		return false;
	pthread_mutex_lock(&lock);
	bool wanted = views != NULL;
	pthread_mutex_unlock(&lock);
	return wanted;
}

static void put_section(struct reef_text *to, enum reef_journal_section what) {
	char byte = (char)what;
	reef_text_add(to, &byte, 1);
}

static void put_row(struct reef_text *to, enum reef_journal_section what, const struct reef_row *row,
					const char *text) {
	put_section(to, what);
	reef_picture_put_number(to, (uint64_t)(uintptr_t)row);
	reef_picture_put_bytes(to, text, strlen(text));
}

static void put_rows(struct reef_text *to, const struct reef_picture *picture) {
	put_section(to, REEF_JOURNAL_ROWS);
	reef_picture_put_bytes(to, picture->text.data, picture->text.size);
	to->failed |= picture->failed;
}

/* What becomes of a sheet. `fresh`: rows that nobody has seen yet. */
static bool describe_part(const struct reef_plan *plan, size_t index, const struct reef_ptrmap *fresh,
						  struct part *to) {
	const struct reef_part *part = &plan->parts.items[index];
	struct reef_picture picture;
	to->root = part->sheet->root;
	to->deleted = part->deleted;
	if (part->deleted) {
		put_row(&to->text, REEF_JOURNAL_DELETED, to->root, part->sheet->name);
		return !to->text.failed;
	}
	reef_picture_begin(&picture, plan->L, true);
	for (uint32_t i = 0; i < part->found.steps.count; i++) {
		const struct reef_row *row = part->found.steps.items[i].data;
		if (reef_ptrmap_get(fresh, row))
			reef_picture_add_content(&picture, &row->table, &row->table);
	}
	for (size_t i = 0; i < plan->switches.count; i++) {
		const struct reef_switch *change = &plan->switches.items[i];
		if (change->part == index)
			reef_picture_add_content(&picture, &change->row->table, &change->content);
	}
	if (picture.text.size > 0)
		put_rows(&to->text, &picture);
	bool whole = !picture.failed && !to->text.failed;
	reef_picture_end(&picture);
	return whole;
}

struct reef_journal_entry *reef_journal_new(const struct reef_plan *plan) {
	struct reef_journal_entry *entry = reef_calloc(1, sizeof(*entry));
	struct reef_ptrmap fresh;
	bool whole = true;
	reef_ptrmap_init(&fresh);
	for (size_t i = 0; whole && i < plan->fresh.count; i++)
		whole = reef_ptrmap_put(&fresh, plan->fresh.items[i], plan->fresh.items[i]);
	for (size_t i = 0; whole && i < plan->parts.count; i++) {
		struct part *part = reef_array_add(&entry->parts);
		whole = part != NULL && describe_part(plan, i, &fresh, part);
		entry->bytes += whole ? part->text.size : 0;
	}
	for (size_t i = 0; i < plan->removals.count; i++)
		put_row(&entry->removed, REEF_JOURNAL_REMOVED, plan->removals.items[i].row,
				reef_note_path(plan->removals.items[i].note));
	entry->bytes += entry->removed.size;
	reef_ptrmap_fini(&fresh);
	if (whole && !entry->removed.failed)
		return entry;
	reef_journal_free(entry);
	return NULL;
}

void reef_journal_free(struct reef_journal_entry *entry) {
	if (entry == NULL)
		return;
	for (size_t i = 0; i < entry->parts.count; i++)
		reef_text_free(&entry->parts.items[i].text);
	reef_array_fini(&entry->parts);
	reef_text_free(&entry->removed);
	reef_free(entry);
}

/* The view goes on to the next entry; with the lock. */
static void pass_by(struct view *view) {
	struct reef_journal_entry *entry = view->entry;
	view->entry = entry->next;
	if (--entry->readers > 0)
		return;
	if (last == entry)
		last = NULL;
	all_bytes -= entry->bytes;
	reef_journal_free(entry);
}

static void lose_all(void) {
	for (struct view *view = views; view; view = view->next) {
		view->lost = true;
		while (view->entry)
			pass_by(view);
	}
}

void reef_journal_add(struct reef_journal_entry *entry) {
	pthread_mutex_lock(&lock);
	__atomic_fetch_add(&version, 1, __ATOMIC_RELEASE);
	if (entry == NULL || all_bytes + entry->bytes > MOST_BYTES)
		lose_all();
	for (struct view *view = entry ? views : NULL; view; view = view->next) {
		if (view->lost)
			continue;
		view->entry = view->entry ? view->entry : entry;
		entry->readers++;
	}
	if (entry && entry->readers > 0) {
		if (last)
			last->next = entry;
		last = entry;
		all_bytes += entry->bytes;
		entry = NULL;
	}
	pthread_mutex_unlock(&lock);
	reef_journal_free(entry);
}

/* ---- reading ---- */

static void look_by_itself(struct reef_seam_view *view, struct reef_seam *seam) {
	struct reef_text text = {0};
	(void)view;
	reef_journal_look(seam, &text);
	if (text.size > 0)
		seam->told(seam, REEF_SEAM_EVENT_SHEETS, &(struct reef_seam_about){.bytes = text.data, .size = text.size});
	reef_text_free(&text);
}

static void view_ended(struct reef_seam_view *seam_view) {
	struct view *view = (struct view *)seam_view, **link = &views;
	pthread_mutex_lock(&lock);
	while (*link != view)
		link = &(*link)->next;
	*link = view->next;
	while (view->entry)
		pass_by(view);
	pthread_mutex_unlock(&lock);
	reef_ptrmap_fini(&view->roots);
	reef_free(view);
}

static struct view *view_of(const struct reef_seam *seam) {
	struct reef_seam_view *view = seam->views;
	while (view && view->look != look_by_itself)
		view = view->next;
	return (struct view *)view;
}

static struct view *new_view(struct reef_seam *seam) {
	struct view *view = reef_calloc(1, sizeof(*view));
	reef_ptrmap_init(&view->roots);
	view->view = (struct reef_seam_view){.version = &version, .look = look_by_itself, .ended = view_ended};
	pthread_mutex_lock(&lock);
	view->view.seen = version;
	view->next = views;
	views = view;
	pthread_mutex_unlock(&lock);
	reef_seam_add_view(seam, &view->view);
	return view;
}

static void no_memory(struct reef_seam *seam, struct reef_text *text) {
	if (!text->failed)
		return;
	text->size = 0;
	seam->cannot(seam, "a datasheet for which there is not enough memory");
}

void reef_journal_meet(struct reef_seam *seam, struct reef_text *to, const struct reef_row *root, lua_State *L) {
	struct view *view = view_of(seam);
	struct reef_picture picture;
	if (seam->over)
		return;
	if (view == NULL)
		view = new_view(seam);
	if (reef_ptrmap_get(&view->roots, root))
		return;
	(void)reef_ptrmap_put(&view->roots, root, view);
	reef_picture_begin(&picture, L, true);
	reef_picture_add(&picture, &root->table);
	put_rows(to, &picture);
	reef_picture_end(&picture);
	no_memory(seam, to);
}

static void put_entry(struct view *view, struct reef_text *to) {
	const struct reef_journal_entry *entry = view->entry;
	for (size_t i = 0; i < entry->parts.count; i++) {
		const struct part *part = &entry->parts.items[i];
		if (reef_ptrmap_get(&view->roots, part->root) == NULL)
			continue;
		reef_text_add(to, part->text.data, part->text.size);
		if (part->deleted)
			reef_ptrmap_remove(&view->roots, part->root);
	}
	reef_text_add(to, entry->removed.data, entry->removed.size);
}

void reef_journal_look(struct reef_seam *seam, struct reef_text *to) {
	struct view *view = view_of(seam);
	if (view == NULL)
		return;
	pthread_mutex_lock(&lock);
	view->view.seen = version;
	while (view->entry) {
		put_entry(view, to);
		pass_by(view);
	}
	bool lost = view->lost;
	pthread_mutex_unlock(&lock);
	if (lost)
		seam->cannot(seam, "changes of datasheets that come faster than the service runs");
	no_memory(seam, to);
}

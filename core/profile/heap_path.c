/* Paths of objects in a heap, as text: see heap.h. A function says where it begins, and with it the way to it is dropped, if
 * that has no name of its own. */
#include "sharetable/overlay/ov.h" /* before lua.h, which shows less to those who are not of Lua's core */

#include "heap.h"

#include <ctype.h>
#include <stdio.h>

static bool is_name(const char *s, size_t n) {
	if (n == 0 || isdigit((unsigned char)*s))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '_')
			return false;
	return true;
}

static void field_text(const TString *name, char *out, size_t size) {
	const char *s = getstr(name);
	if (is_name(s, tsslen(name)))
		snprintf(out, size, ".%.80s", s);
	else
		snprintf(out, size, "[\"%.80s\"]", s);
}

static const char *source_of(const Proto *p) {
	const char *source = p->source ? getstr(p->source) : "=?";
	return *source == '@' || *source == '=' ? source + 1 : "?";
}

/* The last part of a node's path; false: it needs nothing in front. */
static bool part(const struct reef_heap_node *node, char *out, size_t size) {
	const GCObject *o = node->object;
	switch ((enum reef_heap_edge)node->edge) {
	case REEF_HEAP_ROOT:
		snprintf(out, size, "%s", (const char *)node->by.text);
		return false;
	case REEF_HEAP_FIELD:
		field_text(node->by.text, out, size);
		return true;
	case REEF_HEAP_UPVALUE_NAMED:
		snprintf(out, size, " upvalue %.80s", node->by.text ? getstr((const TString *)node->by.text) : "?");
		return true;
	case REEF_HEAP_METATABLE:
		snprintf(out, size, ".<metatable>");
		return true;
	case REEF_HEAP_IS_KEY:
		snprintf(out, size, ".<key>");
		return true;
	case REEF_HEAP_LOCAL:
		snprintf(out, size, " local %.80s", (const char *)node->by.text);
		return true;
	default:
		break;
	}
	if (o->tt == LUA_VLCL) {
		const Proto *p = gco2lcl(o)->p;
		snprintf(out, size, "function %.120s:%d", source_of(p), p->linedefined);
		return false;
	}
	if (o->tt == LUA_VTHREAD) {
		snprintf(out, size, "coroutine");
		return false;
	}
	if (node->edge == REEF_HEAP_INDEX)
		snprintf(out, size, "[%lld]", (long long)node->by.index);
	else
		snprintf(out, size, node->edge == REEF_HEAP_OTHER_KEY ? "[?]" : ".<%s>", o->tt == LUA_VPROTO ? "code" : "part");
	return true;
}

void reef_heap_path(const struct reef_heap *heap, size_t node, char *path, size_t size) {
	char text[160];
	size_t at = size - 1;
	path[at] = '\0';
	for (bool more = true; more;) {
		const struct reef_heap_node *n = &heap->nodes.items[node];
		more = part(n, text, sizeof text) && n->parent != node;
		size_t length = strlen(text);
		if (length + sizeof("...") > at) {
			at -= sizeof("...") - 1;
			memcpy(path + at, "...", sizeof("...") - 1);
			break;
		}
		at -= length;
		memcpy(path + at, text, length);
		node = n->parent;
	}
	memmove(path, path + at, size - at);
}

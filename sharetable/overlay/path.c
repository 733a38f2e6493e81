/* Names of places in a tree of tables. */
#include "ov.h"

#include "path.h"

#include <ctype.h>
#include <stdio.h>

static int is_name(const char *s, size_t l) {
	if (l == 0 || isdigit((unsigned char)*s))
		return 0;
	for (size_t i = 0; i < l; i++) {
		if (!isalnum((unsigned char)s[i]) && s[i] != '_')
			return 0;
	}
	return 1;
}

static void format_key(char *out, size_t size, const TValue *key) {
	switch (ttypetag(key)) {
	case LUA_VNIL: /* not a key: the way to the metatable */
		snprintf(out, size, ".<metatable>");
		break;
	case LUA_VSHRSTR:
	case LUA_VLNGSTR: {
		const char *s = getstr(tsvalue(key));
		if (is_name(s, tsslen(tsvalue(key))))
			snprintf(out, size, ".%s", s);
		else
			snprintf(out, size, "[\"%.60s\"]", s);
		break;
	}
	case LUA_VNUMINT:
		snprintf(out, size, "[" LUA_INTEGER_FMT "]", (LUAI_UACINT)ivalue(key));
		break;
	case LUA_VNUMFLT:
		snprintf(out, size, "[" LUA_NUMBER_FMT "]", (LUAI_UACNUMBER)fltvalue(key));
		break;
	case LUA_VTRUE:
	case LUA_VFALSE:
		snprintf(out, size, "[%s]", ttistrue(key) ? "true" : "false");
		break;
	default:
		snprintf(out, size, "[<%s>]", ttypename(ttype(key)));
	}
}

void reef_path_append(char *path, size_t size, const TValue *key) {
	char segment[96];
	size_t used = strlen(path);
	format_key(segment, sizeof(segment), key);
	size_t l = strlen(segment);
	if (used + l + sizeof("...") <= size)
		memcpy(path + used, segment, l + 1);
	else if (used + sizeof("...") <= size && (used < 3 || memcmp(path + used - 3, "...", 3) != 0))
		memcpy(path + used, "...", sizeof("..."));
}

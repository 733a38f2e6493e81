/* Passwords in the form that both ends of a login compare (RFC 4013, "SASLprep"): `reef.digest.saslprep`. libidn has the
 * tables of Unicode and the normalisation.
 */
#include "saslprep.h"

#include <lauxlib.h>
#include <string.h>

#include <stringprep.h>

/* A password that is longer is nobody's. */
#define LONGEST 4096

static const char *reason(int code) {
	switch (code) {
	case STRINGPREP_CONTAINS_UNASSIGNED:
		return "has a character that Unicode 3.2 does not know";
	case STRINGPREP_CONTAINS_PROHIBITED:
		return "has a character that is prohibited, such as a control character";
	case STRINGPREP_BIDI_BOTH_L_AND_RAL:
	case STRINGPREP_BIDI_LEADTRAIL_NOT_RAL:
	case STRINGPREP_BIDI_CONTAINS_PROHIBITED:
		return "mixes directions of writing";
	case STRINGPREP_ICONV_ERROR:
		return "is not valid UTF-8";
	default:
		return stringprep_strerror((Stringprep_rc)code);
	}
}

int reef_saslprep(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	int code;
	if (size > LONGEST) {
		lua_pushnil(L);
		lua_pushfstring(L, "is longer than %d bytes", LONGEST);
		return 2;
	}
	/* A character of UTF-8 becomes at most 18 others when it is normalised. */
	size_t room = 18 * 4 * size + 1;
	char *work = lua_newuserdatauv(L, room, 0);
	memcpy(work, text, size);
	work[size] = '\0';
	if (strlen(work) != size) {
		code = STRINGPREP_CONTAINS_PROHIBITED;
	} else {
		code = stringprep(work, room, STRINGPREP_NO_UNASSIGNED, stringprep_saslprep);
	}
	if (code == STRINGPREP_OK) {
		lua_pushstring(L, work);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, reason(code));
	return 2;
}

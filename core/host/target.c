/* Where messages go. Own slice only. */
#include "target.h"
#include "core/name.h"
#include "core/send.h"

#include <lauxlib.h>
#include <string.h>

#include "core/global.h"
#include "core/seam.h"
#include "host_private.h"
#include "name_check.h"

/* Apart, so that what is asked for nearly always, a number, is small enough to be looked at in place. */
static __attribute__((noinline)) struct reef_target check_name(lua_State *L, int index) {
	struct reef_target target = {0, NULL};
	const char *name = reef_check_name(L, index);
	if (name[0] == ':' || name[0] == '.')
		target.handle = (uint32_t)reef_seam_number(REEF_SEAM_NAME, reef_address_parse(name));
	else if (!(target.handle = (uint32_t)reef_seam_number(REEF_SEAM_NAME, reef_global_find(name))))
		target.global = name;
	return target;
}

inline struct reef_target reef_target_check(lua_State *L, int index) {
	if (lua_type(L, index) != LUA_TNUMBER)
		return check_name(L, index);
	struct reef_target target = {(uint32_t)luaL_checkinteger(L, index), NULL};
	if (!target.handle)
		luaL_error(L, "Invalid service address 0");
	return target;
}

/* Takes m. */
static bool send_to_name(const char *name, struct reef_message *m) {
	struct reef_seam *seam = reef_seam_here();
	if (seam == NULL)
		return reef_global_send(name, m);
	struct reef_seam_about about = {
			.b = (int64_t)m->type << 32 | (uint32_t)m->session, .c = m->source, .bytes = m->data, .size = m->size};
	bool sent = false;
	seam->act(seam, REEF_SEAM_COMMAND, &(struct reef_seam_about){.bytes = name, .size = strlen(name)});
	if (seam->act(seam, REEF_SEAM_SEND, &about)) {
		(void)reef_seam_leave();
		sent = reef_global_send(name, m);
		reef_seam_return(seam);
	} else {
		reef_message_free(m);
	}
	return seam->number(seam, REEF_SEAM_DONE, sent);
}

inline enum reef_offered reef_target_deliver(struct reef_host *host, struct reef_target target,
											 struct reef_message *m) {
	if (!m->source)
		m->source = host->handle;
	if (target.global)
		return send_to_name(target.global, m) ? REEF_OFFER_TAKEN : REEF_OFFER_NOBODY;
	if (target.handle)
		return reef_send_offer(target.handle, m);
	reef_message_free(m);
	return REEF_OFFER_NOBODY;
}

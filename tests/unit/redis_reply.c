/* tsan: no, one thread does all of it */
/* Replies as Lua values: every type, however the bytes are cut; and what a hostile server meets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "drivers/redis/reply.h"

static const struct reef_redis_limits limits = {.reply = 1 << 20, .elements = 100000, .depth = 16};

static const char *const kinds[] = {"value", "error", "inner", "push"};

/* Moves what is complete to the list of {kind, value} on top of L's stack. */
static void drain(struct reef_redis_reader *reader, lua_State *build, lua_State *L, lua_Integer *count) {
	int done;
	do {
		done = reef_redis_reader_parse(reader, build);
		for (int i = 1; i <= done; i++) {
			lua_createtable(L, 2, 0);
			lua_pushstring(L, kinds[reader->kind[i - 1]]);
			lua_rawseti(L, -2, 1);
			lua_pushvalue(build, i);
			lua_xmove(build, L, 1);
			lua_rawseti(L, -2, 2);
			lua_rawseti(L, -2, ++*count);
		}
		reef_redis_reader_drop(build, done);
	} while (done == REEF_REDIS_BATCH);
}

/* Lua: read(bytes, portion) -> {n=, {kind, value}...}, error or nil. Portion 0: all at once. */
static int read_bytes(lua_State *L) {
	size_t size, step = (size_t)luaL_checkinteger(L, 2);
	const char *bytes = luaL_checklstring(L, 1, &size);
	lua_State *build = lua_newthread(L);
	struct reef_redis_reader reader;
	lua_Integer count = 0;
	reef_redis_reader_init(&reader, &limits);
	lua_newtable(L);
	for (size_t at = 0; at < size;) {
		size_t n = step == 0 || step > size - at ? size - at : step, room_size;
		char *room = reef_redis_reader_room(&reader, &room_size);
		if (room) {
			n = n < room_size ? n : room_size;
			memcpy(room, bytes + at, n);
			assert_int_equal(reef_redis_reader_feed(&reader, room, n), n);
			at += n;
		} else {
			char *copy = malloc(n);
			memcpy(copy, bytes + at, n);
			at += reef_redis_reader_feed(&reader, copy, n);
			free(copy);
		}
		drain(&reader, build, L, &count);
	}
	lua_pushinteger(L, count);
	lua_setfield(L, -2, "n");
	if (reader.error[0])
		lua_pushstring(L, reader.error);
	else
		lua_pushnil(L);
	reef_redis_reader_fini(&reader);
	return 2;
}

static const char helpers[] =
		"function show(v)\n"
		"  if type(v) ~= 'table' then return math.type(v) == 'float' and string.format('%g', v) .. 'f' or"
		" type(v) == 'string' and string.format('%q', v) or tostring(v) end\n"
		"  local keys, out = {}, {}\n"
		"  for k in pairs(v) do keys[#keys + 1] = k end\n"
		"  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)\n"
		"  for i, k in ipairs(keys) do out[i] = show(k) .. '=' .. show(v[k]) end\n"
		"  return '{' .. table.concat(out, ',') .. '}'\n"
		"end\n"
		"function all(bytes, want)\n"
		"  for _, step in ipairs{0, 1, 2, 3, 7, 1000} do\n"
		"    local list, err = read(bytes, step)\n"
		"    local out = {}\n"
		"    for i = 1, list.n do out[i] = list[i][1] .. ' ' .. show(list[i][2]) end\n"
		"    if err then out[#out + 1] = 'ERROR ' .. err end\n"
		"    local got = table.concat(out, '; ')\n"
		"    if got ~= want then error('portions of ' .. step .. ': got ' .. got .. ', want ' .. want, 2) end\n"
		"  end\n"
		"end\n";

static int setup(void **state) {
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	lua_register(L, "read", read_bytes);
	if (luaL_dostring(L, helpers))
		fail_msg("%s", lua_tostring(L, -1));
	*state = L;
	return 0;
}

static int teardown(void **state) {
	lua_close(*state);
	return 0;
}

static void run(lua_State *L, const char *code) {
	if (luaL_dostring(L, code))
		fail_msg("%s", lua_tostring(L, -1));
}

static void every_resp2_type_in_any_portions(void **state) {
	run(*state,
		"all('+OK\\r\\n', 'value \"OK\"')\n"
		"all(':42\\r\\n:-7\\r\\n:0\\r\\n', 'value 42; value -7; value 0')\n"
		"all(':9223372036854775807\\r\\n', 'value 9223372036854775807')\n"
		"all('$5\\r\\nhe\\r\\nl\\r\\n$0\\r\\n\\r\\n$-1\\r\\n', 'value \"he\\\\13\\\\\\nl\"; value \"\"; value nil')\n"
		"all('-ERR no\\r\\n', 'error \"ERR no\"')\n"
		"all('*0\\r\\n*-1\\r\\n', 'value {}; value nil')\n"
		"all('*3\\r\\n:1\\r\\n$-1\\r\\n+x\\r\\n', 'value {1=1,3=\"x\"}')\n"
		"all('*2\\r\\n*2\\r\\n:1\\r\\n*1\\r\\n:2\\r\\n*0\\r\\n', 'value {1={1=1,2={1=2}},2={}}')\n"
		"all('*2\\r\\n:1\\r\\n-ERR inside\\r\\n:5\\r\\n', 'inner {1=1,2=\"ERR inside\"}; value 5')\n"
		"all('*1\\r\\n*1\\r\\n-E\\r\\n', 'inner {1={1=\"E\"}}')\n");
}

static void every_resp3_type_in_any_portions(void **state) {
	run(*state,
		"all('_\\r\\n#t\\r\\n#f\\r\\n', 'value nil; value true; value false')\n"
		"all(',1.5\\r\\n,10\\r\\n,inf\\r\\n,-inf\\r\\n', 'value 1.5f; value 10f; value inff; value -inff')\n"
		"all('(3492890328409238509324850943850943825024385\\r\\n',"
		" 'value \"3492890328409238509324850943850943825024385\"')\n"
		"all('=15\\r\\ntxt:Some string\\r\\n', 'value \"Some string\"')\n"
		"all('%2\\r\\n+a\\r\\n:1\\r\\n:2\\r\\n*1\\r\\n+b\\r\\n', 'value {2={1=\"b\"},\"a\"=1}')\n"
		"all('%0\\r\\n~0\\r\\n', 'value {}; value {}')\n"
		"all('~3\\r\\n+a\\r\\n+b\\r\\n:3\\r\\n', 'value {1=\"a\",2=\"b\",3=3}')\n"
		"all('>2\\r\\n+invalidate\\r\\n*1\\r\\n+k\\r\\n:1\\r\\n', 'push {1=\"invalidate\",2={1=\"k\"}}; value 1')\n"
		"all(':1\\r\\n|1\\r\\n+ttl\\r\\n:3600\\r\\n:7\\r\\n', 'value 1; value 7')\n"
		"all(':1\\r\\n!11\\r\\nSYNTAX oops\\r\\n', 'value 1; error \"SYNTAX oops\"')\n"
		"all('%1\\r\\n%1\\r\\n+x\\r\\n:1\\r\\n+v\\r\\n', 'value {{\"x\"=1}=\"v\"}')\n"
		"all('*1\\r\\n%1\\r\\n+x\\r\\n~1\\r\\n#t\\r\\n', 'value {1={\"x\"={1=true}}}')\n");
}

static void many_replies_in_one_piece_keep_their_order(void **state) {
	run(*state, "local parts = {}\n"
				"for i = 1, 5000 do parts[i] = i % 3 == 0 and ':' .. i .. '\\r\\n' or '*2\\r\\n$1\\r\\na\\r\\n:' .. i "
				".. '\\r\\n' end\n"
				"for _, step in ipairs{0, 1, 4096} do\n"
				"  local list, err = read(table.concat(parts), step)\n"
				"  assert(not err, err)\n"
				"  assert(list.n == 5000)\n"
				"  for i = 1, 5000 do\n"
				"    local v = list[i][2]\n"
				"    assert((i % 3 == 0 and v or v[2]) == i)\n"
				"  end\n"
				"end");
}

static void long_strings_arrive_whole_between_others(void **state) {
	run(*state, "local long = string.rep('0123456789abcdef', 40000)\n"
				"local bytes = ':1\\r\\n$' .. #long .. '\\r\\n' .. long .. '\\r\\n*2\\r\\n$' .. #long .. '\\r\\n' .. "
				"long .. '\\r\\n+x\\r\\n:3\\r\\n'\n"
				"for _, step in ipairs{0, 1000, 16384, 65536} do\n"
				"  local list, err = read(bytes, step)\n"
				"  assert(not err, err)\n"
				"  assert(list.n == 4 and list[1][2] == 1 and list[2][2] == long and list[4][2] == 3)\n"
				"  assert(list[3][2][1] == long and list[3][2][2] == 'x')\n"
				"end");
}

static void what_is_no_reply_is_refused(void **state) {
	run(*state, "local function bad(bytes, pattern)\n"
				"  for _, step in ipairs{0, 1} do\n"
				"    local list, err = read(bytes, step)\n"
				"    assert(list.n == 1, list.n)\n"
				"    assert(err and err:find(pattern), err)\n"
				"  end\n"
				"end\n"
				"bad(':1\\r\\n?what\\r\\n', 'Protocol error')\n"
				"bad(':1\\r\\nHTTP/1.1 400\\r\\n', 'Protocol error')\n"
				"bad(':1\\r\\n:1x\\r\\n', 'integer')\n"
				"bad(':1\\r\\n$-2\\r\\n', 'length')\n"
				"bad(':1\\r\\n$abc\\r\\n', 'length')\n"
				"bad(':1\\r\\n*-2\\r\\n', 'out of range')\n"
				"bad(':1\\r\\n#x\\r\\n', 'bool')\n"
				"bad(':1\\r\\n,1.5.5\\r\\n', 'double')\n"
				"bad(':1\\r\\n%1\\r\\n_\\r\\n:1\\r\\n', 'null or NaN as key')\n");
}

static void lines_may_be_long(void **state) {
	run(*state, "local long = string.rep('x', 100000)\n"
				"for _, step in ipairs { 0, 1000, 2049 } do\n"
				"  local list, err = read('+' .. long .. '\\r\\n:1\\r\\n-' .. long .. '\\r\\n*1\\r\\n+' .. long .. "
				"'\\r\\n', step)\n"
				"  assert(list.n == 4 and not err, err)\n"
				"  assert(list[1][2] == long and list[2][2] == 1 and list[3][1] == 'error' and list[3][2] == long)\n"
				"  assert(list[4][2][1] == long)\n"
				"end\n");
}

static void attributes_may_be_anywhere(void **state) {
	run(*state, "local ttl = '|1\\r\\n+ttl\\r\\n*1\\r\\n-no\\r\\n'\n"
				"all(ttl .. ':1\\r\\n' .. ttl .. ttl .. ':2\\r\\n', 'value 1; value 2')\n"
				"all('*2\\r\\n' .. ttl .. ':1\\r\\n' .. ttl .. '$1\\r\\nx\\r\\n' .. ':3\\r\\n', 'value {1=1,2=\"x\"}; "
				"value 3')\n"
				"all('%1\\r\\n' .. ttl .. '+k\\r\\n' .. ttl .. '*1\\r\\n' .. ttl .. '_\\r\\n', 'value {\"k\"={}}')\n"
				"all('*1\\r\\n|1\\r\\n' .. ttl .. '_\\r\\n|0\\r\\n#t\\r\\n:1\\r\\n', 'value {1=1}')\n"
				"all('*2\\r\\n$-1\\r\\n' .. ttl .. ':+5\\r\\n:+6\\r\\n', 'value {2=5}; value 6')\n"
				"all('*2\\r\\n!2\\r\\nno\\r\\n:1\\r\\n!3\\r\\nyes\\r\\n+OK\\r\\n', 'inner {1=\"no\",2=1}; error "
				"\"yes\"; value \"OK\"')\n");
}

static void lengths_that_lie_meet_a_limit(void **state) {
	run(*state, "local function bad(bytes, pattern)\n"
				"  local list, err = read(bytes, 0)\n"
				"  assert(list.n == 0 and err and err:find(pattern), err)\n"
				"end\n"
				"bad('$99999999999\\r\\nabc', 'larger than the limit')\n"
				"bad('$18446744073709551615\\r\\nabc', 'length')\n"
				"bad('*100001\\r\\n', 'out of range')\n"
				"bad('*99999999999999\\r\\n', 'out of range')\n"
				"bad(string.rep('*1\\r\\n', 100), 'nested too deeply')\n"
				"bad('+' .. string.rep('x', 1100000), 'larger than the limit')\n"
				"bad('$' .. string.rep('1', 100), 'limit')\n"
				"bad('*100000\\r\\n' .. string.rep('$20\\r\\n' .. string.rep('x', 20) .. '\\r\\n', 50000), 'larger "
				"than the limit')\n");
}

static void an_announced_length_costs_little_before_it_comes(void **state) {
	run(*state, "collectgarbage() collectgarbage('stop')\n"
				"local before = collectgarbage('count')\n"
				"read(string.rep('*100000\\r\\n', 10), 0)\n"
				"assert(collectgarbage('count') - before < 16 * 1024)\n"
				"collectgarbage('restart')");
}

/* Byte by byte hiredis reads it all; in larger portions we read strings without it. */
static void strings_are_the_same_however_they_come(void **state) {
	run(*state,
		"local state = tonumber(os.getenv 'REEF_TEST_SEED') or 1\n"
		"local function random(n)\n"
		"  state = (state * 6364136223846793005 + 1442695040888963407)\n"
		"  return (state >> 33) % n\n"
		"end\n"
		"local sizes = { 0, 1, 2, 9, 10, 11, 39, 40, 41, 99, 100, 2040, 2048, 3000 }\n"
		"local function text(n) return string.rep(string.char(97 + random(26)), n) end\n"
		"local reply\n"
		"local function list(depth, first, n, named)\n"
		"  local parts = { first }\n"
		"  for i = 1, n do\n"
		"    parts[#parts + 1] = named and '$2\\r\\nk' .. i .. '\\r\\n' or ''\n"
		"    parts[#parts + 1] = reply(depth + 1)\n"
		"  end\n"
		"  return table.concat(parts)\n"
		"end\n"
		"function reply(depth)\n"
		"  local kind = random(depth < 4 and 22 or 17)\n"
		"  local s = text(sizes[random(random(4) == 0 and #sizes or 11) + 1])\n"
		"  if kind < 10 then return '$' .. #s .. '\\r\\n' .. s .. '\\r\\n' end\n"
		"  if kind == 10 then return '$-1\\r\\n' end\n"
		"  if kind == 11 then return ':+' .. random(1000) .. '\\r\\n' end\n"
		"  if kind == 12 then return '!' .. #s .. '\\r\\n' .. s .. '\\r\\n' end\n"
		"  if kind == 13 then return '+' .. s .. '\\r\\n' end\n"
		"  if kind == 14 then return '-E' .. s .. '\\r\\n' end\n"
		"  if kind == 15 then return '=' .. #s + 4 .. '\\r\\ntxt:' .. s .. '\\r\\n' end\n"
		"  if kind == 16 then return '#t\\r\\n' end\n"
		"  local n = random(7)\n"
		"  if kind == 20 then return list(depth, '%' .. n .. '\\r\\n', n, true) end\n"
		"  if kind == 21 then return list(depth, '|' .. n .. '\\r\\n', n, true) .. reply(depth) end\n"
		"  return list(depth, (kind == 19 and '~' or '*') .. n .. '\\r\\n', n)\n"
		"end\n"
		"local function said(bytes, step)\n"
		"  local list, err = read(bytes, step)\n"
		"  local out = {}\n"
		"  for i = 1, list.n do out[i] = list[i][1] .. ' ' .. show(list[i][2]) end\n"
		"  return table.concat(out, '; ') .. (err and ' ERROR' or '')\n"
		"end\n"
		"local function tail(a, b)\n"
		"  local i = 1\n"
		"  while a:byte(i) == b:byte(i) do i = i + 1 end\n"
		"  return a:sub(math.max(i - 20, 1), i + 60), b:sub(math.max(i - 20, 1), i + 60)\n"
		"end\n"
		"for round = 1, 300 do\n"
		"  local parts = {}\n"
		"  for i = 1, 1 + random(40) do parts[i] = reply(0) end\n"
		"  local bytes = table.concat(parts)\n"
		"  if round % 3 == 0 then\n"
		"    local at, odd = 1 + random(#bytes), { '0', '', '\\n', '-', '9', '$', '*', 'x' }\n"
		"    bytes = bytes:sub(1, at - 1) .. odd[random(#odd) + 1] .. bytes:sub(at + 1)\n"
		"  end\n"
		"  bytes = bytes .. '\\r\\n\\r\\n'\n" /* what is wrong is seen at the end of a line */
		"  local want = said(bytes, 1)\n"
		"  for _, step in ipairs { 0, 2 + random(60), 60 + random(3000) } do\n"
		"    local got = said(bytes, step)\n"
		"    if got ~= want then\n"
		"      error(('round %d, portions of %d: got ...%s, want ...%s'):format(round, step, tail(got, want)))\n"
		"    end\n"
		"  end\n"
		"end\n");
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test_setup_teardown(every_resp2_type_in_any_portions, setup, teardown),
			cmocka_unit_test_setup_teardown(every_resp3_type_in_any_portions, setup, teardown),
			cmocka_unit_test_setup_teardown(many_replies_in_one_piece_keep_their_order, setup, teardown),
			cmocka_unit_test_setup_teardown(long_strings_arrive_whole_between_others, setup, teardown),
			cmocka_unit_test_setup_teardown(what_is_no_reply_is_refused, setup, teardown),
			cmocka_unit_test_setup_teardown(lines_may_be_long, setup, teardown),
			cmocka_unit_test_setup_teardown(attributes_may_be_anywhere, setup, teardown),
			cmocka_unit_test_setup_teardown(lengths_that_lie_meet_a_limit, setup, teardown),
			cmocka_unit_test_setup_teardown(strings_are_the_same_however_they_come, setup, teardown),
			cmocka_unit_test_setup_teardown(an_announced_length_costs_little_before_it_comes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* TOML 1.0, parsed by toml++, which knows the place of every value.
 *
 * The only C++ file: the library is header-only C++17. Its tree lives on the heap and belongs to the function that Lua
 * has called; what raises Lua errors runs protected in between, over frames that have nothing to destroy.
 */

/* Some malformed lines break what toml++ takes for granted. That has to be an error and nothing worse. */
struct broken_assertion {};
[[noreturn]] static inline void break_assertion() {
	throw broken_assertion();
}
#undef NDEBUG
#define TOML_ASSERT(expression) (static_cast<bool>(expression) ? void() : break_assertion())
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_UNRELEASED_FEATURES 0
#include <toml++/toml.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string_view>
#include <vector>

extern "C" {
#include <lauxlib.h>
}
#include "load.h"

/* Trees are freed recursively, so names of many parts (`a.b.c.d = 1`) must not become deep ones. */
static const size_t max_dots = 1000;

/* Returns the index behind the string that begins at i: it ends with the same quote, or three of them, which further two
 * may follow that belong to it. One that has no end ends with its line. */
static size_t skip_string(std::string_view text, size_t i) {
	const char quote = text[i];
	const char three[] = {quote, quote, quote};
	const std::string_view long_quote(three, sizeof three);
	const bool is_long = text.substr(i, 3) == long_quote;
	i += is_long ? 3 : 1;
	while (i < text.size() && (is_long ? text.substr(i, 3) != long_quote : text[i] != quote && text[i] != '\n'))
		i += text[i] == '\\' && quote == '"' ? 2 : 1;
	i += is_long ? 3 : 1;
	for (int k = 0; is_long && k < 2 && i < text.size() && text[i] == quote; k++)
		i++;
	return std::min(i, text.size());
}

/* Looks at what is outside of strings and comments for what toml++ cannot stand: names with too many dots, and anything
 * but ASCII, which is never right there and sends its tables of Unicode astray. NULL: there is nothing. */
static const char *find_unbearable(std::string_view text, const char **why) {
	size_t i = 0, dots = 0;
	while (i < text.size()) {
		const char c = text[i];
		const bool begins = i == 0 || std::string_view(" \t\r\n=,[{.").find(text[i - 1]) != std::string_view::npos;
		if (begins && (c == '"' || c == '\'')) {
			i = skip_string(text, i);
			continue;
		} else if (c == '#') {
			i = std::min(text.find('\n', i), text.size());
			continue;
		} else if (static_cast<unsigned char>(c) >= 0x80) {
			*why = "names with letters beyond ASCII are written in quotes";
			return &text[i];
		} else if (c == '\n' || c == '=' || c == ',' || c == '{' || c == '[') {
			dots = 0;
		} else if (c == '.' && ++dots > max_dots) {
			*why = "a name has more than 1000 parts";
			return &text[i];
		}
		i++;
	}
	return nullptr;
}

/* ---- values ---- */

static void push_date(lua_State *L, const toml::node &node) {
	char text[80];
	size_t n = 0;
	const auto add = [&](int more) { n += more > 0 ? static_cast<size_t>(more) : 0; };
	const auto add_date = [&](const toml::date &d) {
		add(snprintf(text + n, sizeof text - n, "%04u-%02u-%02u", d.year, d.month, d.day));
	};
	const auto add_time = [&](const toml::time &t) {
		add(snprintf(text + n, sizeof text - n, "%02u:%02u:%02u", t.hour, t.minute, t.second));
		if (t.nanosecond != 0) {
			add(snprintf(text + n, sizeof text - n, ".%09u", t.nanosecond));
			while (text[n - 1] == '0')
				n--;
		}
	};
	if (const auto *date = node.as_date()) {
		add_date(date->get());
	} else if (const auto *time = node.as_time()) {
		add_time(time->get());
	} else {
		const toml::date_time &both = node.as_date_time()->get();
		add_date(both.date);
		add(snprintf(text + n, sizeof text - n, "T"));
		add_time(both.time);
		if (both.offset) {
			int minutes = both.offset->minutes, distance = minutes < 0 ? -minutes : minutes;
			if (minutes == 0)
				add(snprintf(text + n, sizeof text - n, "Z"));
			else
				add(snprintf(text + n, sizeof text - n, "%c%02d:%02d", minutes < 0 ? '-' : '+', distance / 60,
							 distance % 60));
		}
	}
	lua_pushlstring(L, text, n);
}

static void push(lua_State *L, const toml::node &node, int problems, int depth) {
	luaL_checkstack(L, 8, "TOML");
	if ((node.is_table() || node.is_array()) && depth >= REEF_LOAD_MAX_DEPTH) {
		lua_pushfstring(L, "values are nested deeper than %d levels", REEF_LOAD_MAX_DEPTH);
		reef_load_problem(L, problems, node.source().begin.line, node.source().begin.column);
		lua_pushboolean(L, 0);
	} else if (const toml::table *table = node.as_table()) {
		lua_createtable(L, 0, static_cast<int>(table->size()));
		for (auto i = table->cbegin(); i != table->cend(); ++i) {
			lua_pushlstring(L, i->first.str().data(), i->first.str().size());
			push(L, i->second, problems, depth + 1);
			lua_rawset(L, -3);
		}
	} else if (const toml::array *array = node.as_array()) {
		lua_createtable(L, static_cast<int>(array->size()), 0);
		lua_Integer n = 0;
		for (auto i = array->cbegin(); i != array->cend(); ++i) {
			push(L, *i, problems, depth + 1);
			lua_rawseti(L, -2, ++n);
		}
	} else if (const auto *string = node.as_string()) {
		lua_pushlstring(L, string->get().data(), string->get().size());
	} else if (const auto *integer = node.as_integer()) {
		lua_pushinteger(L, integer->get());
	} else if (const auto *number = node.as_floating_point()) {
		lua_pushnumber(L, number->get());
	} else if (const auto *boolean = node.as_boolean()) {
		lua_pushboolean(L, boolean->get());
	} else {
		push_date(L, node);
	}
}

/* (root, problems) -> value */
static int push_all(lua_State *L) {
	push(L, *static_cast<const toml::node *>(lua_touserdata(L, 1)), 2, 0);
	return 1;
}

/* ---- places ---- */

/* A node of the tree of questions is on top of the stack. */
static void look(lua_State *L, const toml::node &node, int places) {
	int top = lua_gettop(L);
	if (lua_isnil(L, top))
		return;
	luaL_checkstack(L, 8, "TOML");
	lua_Integer at = reef_load_asked(L);
	if (at != 0)
		reef_load_place(L, places, at, node.source().begin.line, node.source().begin.column);
	const toml::table *table = node.as_table();
	const toml::array *array = node.as_array();
	if (table) {
		for (auto i = table->cbegin(); i != table->cend(); ++i) {
			lua_pushlstring(L, i->first.str().data(), i->first.str().size());
			lua_pushvalue(L, top);
			reef_load_child(L, top + 1);
			look(L, i->second, places);
			lua_settop(L, top);
		}
	} else if (array) {
		lua_Integer n = 0;
		for (auto i = array->cbegin(); i != array->cend(); ++i) {
			lua_pushinteger(L, ++n);
			lua_pushvalue(L, top);
			reef_load_child(L, top + 1);
			look(L, *i, places);
			lua_settop(L, top);
		}
	}
}

/* (root, tree, places) */
static int look_all(lua_State *L) {
	lua_pushvalue(L, 2);
	look(L, *static_cast<const toml::node *>(lua_touserdata(L, 1)), 3);
	return 0;
}

/* ---- the functions ---- */

static bool breaks_assertion(std::string_view text) {
	try {
		static_cast<void>(toml::parse(text));
	} catch (const broken_assertion &) {
		return true;
	} catch (...) {
	}
	return false;
}

/* The first line with which the text breaks an assertion, which toml++ cannot name. */
static toml::source_index find_broken_line(std::string_view text) {
	std::vector<size_t> ends;
	for (size_t i = 0; i < text.size(); i++)
		if (text[i] == '\n')
			ends.push_back(i + 1);
	size_t low = 0, high = ends.size(); /* the number of good lines before it is in [low, high] */
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (breaks_assertion(text.substr(0, ends[middle])))
			high = middle;
		else
			low = middle + 1;
	}
	return static_cast<toml::source_index>(low + 1);
}

/* Parses. NULL: `why` says why not, and `place` where. */
static std::unique_ptr<toml::table> parse(std::string_view text, char *why, size_t size, toml::source_position *place) {
	*place = {1, 0};
	try {
		return std::make_unique<toml::table>(toml::parse(text));
	} catch (const toml::parse_error &error) {
		*place = error.source().begin;
		snprintf(why, size, "%.*s", static_cast<int>(error.description().size()), error.description().data());
	} catch (const broken_assertion &) {
		place->line = find_broken_line(text);
		snprintf(why, size, "this line is not TOML");
	} catch (const std::bad_alloc &) {
		snprintf(why, size, "not enough memory");
	}
	return nullptr;
}

/* Runs `work` with the root of the text's tree and the values from index 2 on, as many as `arguments`. Returns the
 * status of pcall, or -1 after it has added a problem to the table at index 2. */
static int with_tree(lua_State *L, std::string_view text, lua_CFunction work, int arguments, int results) {
	char why[512];
	toml::source_position place;
	std::unique_ptr<toml::table> tree = parse(text, why, sizeof why, &place);
	if (!tree) {
		lua_pushstring(L, why);
		reef_load_problem(L, 2, place.line, place.column);
		return -1;
	}
	lua_pushcfunction(L, work);
	lua_pushlightuserdata(L, static_cast<toml::node *>(tree.get()));
	for (int i = 0; i < arguments; i++)
		lua_pushvalue(L, 2 + i);
	return lua_pcall(L, 1 + arguments, results, 0);
}

/* False: there is something in it that toml++ cannot stand, and a problem was added to the table at index 2. */
static bool is_bearable(lua_State *L, std::string_view text) {
	const char *why = nullptr, *at = find_unbearable(text, &why);
	if (at == nullptr)
		return true;
	reef_place place;
	reef_place_init(&place, text.data());
	reef_place_move(&place, at);
	lua_pushstring(L, why);
	reef_load_problem(L, 2, place.line, place.column);
	return false;
}

int reef_load_toml(lua_State *L) {
	size_t n;
	const char *bytes = luaL_checklstring(L, 1, &n);
	std::string_view text(bytes, n);
	lua_settop(L, 1);
	lua_newtable(L);
	int status = is_bearable(L, text) ? with_tree(L, text, push_all, 1, 1) : -1;
	if (status > 0)
		return lua_error(L);
	if (status < 0)
		lua_pushnil(L);
	lua_insert(L, 2);
	lua_settop(L, lua_rawlen(L, 3) == 0 ? 2 : 3);
	return lua_gettop(L) - 1;
}

int reef_load_toml_places(lua_State *L) {
	size_t n;
	const char *bytes = luaL_checklstring(L, 1, &n);
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	lua_newtable(L);
	std::string_view text(bytes, n);
	const char *why;
	if (find_unbearable(text, &why) == nullptr && with_tree(L, text, look_all, 2, 0) > 0)
		return lua_error(L);
	lua_settop(L, 3);
	return 1;
}

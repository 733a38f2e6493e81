-- Messages of HTTP/1.1 that two parsers could take for different ones, by the rule that they break: so one request, or
-- response, could hide in another. For tests of servers and of clients.
local tricks = {}

-- What it begins with as a request; as a response it begins in another way.
local G = "GET / HTTP/1.1\r\nHost: a\r\n"
local R = "HTTP/1.1 200 OK\r\n"

local hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
local chunked_hidden = "0\r\n\r\n" .. hidden

---A request that a server must not see.
tricks.hidden = hidden

local rules = {
	["RFC 9112, 6.3: a length that is no number, or not the same everywhere, is unrecoverable"] = {
		["two lengths"] = G .. "Content-Length: 0\r\nContent-Length: 33\r\n\r\n",
		["one length twice"] = G .. "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
		["a list of lengths"] = G .. "Content-Length: 0, 33\r\n\r\n",
		["a length with a sign"] = G .. "Content-Length: +0\r\n\r\n",
		["a negative length"] = G .. "Content-Length: -1\r\n\r\n",
		["a hexadecimal length"] = G .. "Content-Length: 0x0\r\n\r\n",
		["an empty length"] = G .. "Content-Length:\r\n\r\n",
		["a length with rubbish behind"] = G .. "Content-Length: 0 0\r\n\r\n",
		["a length that overflows"] = G .. "Content-Length: 18446744073709551616\r\n\r\n",
		["a length in quotes"] = G .. "Content-Length: \"0\"\r\n\r\n",
		["a length with a point"] = G .. "Content-Length: 0.0\r\n\r\n",
		["a length with a space in it"] = G .. "Content-Length: 3 3\r\n\r\n",
		["a length behind a space of another alphabet"] = G .. "Content-Length: \xa00\r\n\r\n",
	},
	["RFC 9112, 6.3: both a length and a coding ought to be handled as an error"] = {
		["length and coding"] = G .. "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" .. chunked_hidden,
		["coding and length"] = G .. "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" .. chunked_hidden,
	},
	["RFC 9112, 6.1 and 6.3: what is not known to be `chunked` at last has no end that is known; 6.1: not in HTTP/1.0"] = {
		["an unknown coding"] = G .. "Transfer-Encoding: xchunked\r\n\r\n" .. chunked_hidden,
		["a coding in quotes"] = G .. "Transfer-Encoding: \"chunked\"\r\n\r\n" .. chunked_hidden,
		["a coding behind a tab and a control"] = G .. "Transfer-Encoding: \x0bchunked\r\n\r\n" .. chunked_hidden,
		["chunked, and something"] = G .. "Transfer-Encoding: chunked, identity\r\n\r\n" .. chunked_hidden,
		["something, and chunked"] = G .. "Transfer-Encoding: identity, chunked\r\n\r\n" .. chunked_hidden,
		["chunked twice"] = G .. "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" .. chunked_hidden,
		["identity"] = G .. "Transfer-Encoding: identity\r\n\r\n" .. chunked_hidden,
		["an empty coding"] = G .. "Transfer-Encoding:\r\n\r\n" .. chunked_hidden,
		["chunked in HTTP/1.0"] = "GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" .. chunked_hidden,
		["a coding, and nothing"] = G .. "Transfer-Encoding: chunked,\r\n\r\n" .. chunked_hidden,
		["nothing, and a coding"] = G .. "Transfer-Encoding: ,chunked\r\n\r\n" .. chunked_hidden,
		["chunked, and a cow"] = G .. "Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n" .. chunked_hidden,
		["a cow, and chunked"] = G .. "Transfer-Encoding: cow\r\nTransfer-encoding: chunked\r\n\r\n" .. chunked_hidden,
		["a coding behind a form feed"] = G .. "Transfer-Encoding: \x0cchunked\r\n\r\n" .. chunked_hidden,
		["a coding with a parameter"] = G .. "Transfer-Encoding: chunked;a=b\r\n\r\n" .. chunked_hidden,
	},
	["RFC 9112, 5.1: no space between a name and its colon; RFC 9110, 5.1: a name is a token"] = {
		["a space before the colon"] = G .. "Content-Length : 33\r\n\r\n",
		["a tab before the colon"] = G .. "Transfer-Encoding\t: chunked\r\n\r\n" .. chunked_hidden,
		["a field without a colon"] = G .. "Content-Length 33\r\n\r\n",
		["a field without a name"] = G .. ": 33\r\n\r\n",
		["a zero byte in a name"] = G .. "Content\0-Length: 33\r\n\r\n",
	},
	["RFC 9112, 5.2: a folded line is refused; 2.2: so is a space in front of the first field"] = {
		["a folded coding"] = G .. "Transfer-Encoding:\r\n chunked\r\n\r\n" .. chunked_hidden,
		["a folded length"] = G .. "Content-Length: 3\r\n 3\r\n\r\n",
		["a fold behind another field"] = G .. "X: a\r\n Content-Length: 33\r\n\r\n",
		["a space before the first field"] = "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
	},
	["RFC 9112, 2.2: a bare CR ends nothing; a bare LF may, or may not, so here it does not"] = {
		["a line that ends in LF"] = G .. "X: a\nContent-Length: 33\r\n\r\n",
		["a line that ends in CR"] = G .. "X: a\rContent-Length: 33\r\n\r\n",
		["a head that ends in LF"] = "GET / HTTP/1.1\nHost: a\n\n",
		["an empty line of LF"] = G .. "X: a\r\n\n",
		["a request line that ends in CR"] = "GET / HTTP/1.1\rHost: a\r\n\r\n",
	},
	["RFC 9110, 5.5: no CR, LF or NUL in a value"] = {
		["a zero byte in a value"] = G .. "X: a\0b\r\n\r\n",
	},
	["RFC 9112, 3.2: one Host, and a valid one"] = {
		["no host"] = "GET / HTTP/1.1\r\n\r\n",
		["two hosts"] = G .. "Host: b\r\n\r\n",
		["a host with a space"] = "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		["a list of hosts"] = "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
		["a host with a path"] = "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		["a host with a user"] = "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
	},
	["RFC 9112, 2.3 and 3: one space each between method, target and version, which is HTTP/1 and a digit"] = {
		["another protocol"] = "OPTIONS / RTSP/1.0\r\nHost: a\r\n\r\n",
		["another one still"] = "SOURCE / ICE/1.0\r\nHost: a\r\n\r\n",
		["a zero byte in the target"] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
		["a space in the target"] = "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
		["a tab in the request line"] = "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
		["a version of three digits"] = "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
		["a version with a zero in front"] = "GET / HTTP/01.1\r\nHost: a\r\n\r\n",
		["a version in small letters"] = "GET / http/1.1\r\nHost: a\r\n\r\n",
	},
	["RFC 9112, 7.1: a size is hexadecimal digits, what it says is there, and CRLF is behind it; 7.1.1: extensions"] = {
		["a chunk size with a sign"] = G .. "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" .. hidden,
		["a chunk size with 0x"] = G .. "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" .. hidden,
		["a chunk size with a space"] = G .. "Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n" .. hidden,
		["a chunk size with LF"] = G .. "Transfer-Encoding: chunked\r\n\r\n0\n\n" .. hidden,
		["a chunk size that overflows"] = G .. "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" .. hidden,
		["an empty chunk size"] = G .. "Transfer-Encoding: chunked\r\n\r\n\r\n\r\n" .. hidden,
		["a chunk that does not end"] = G .. "Transfer-Encoding: chunked\r\n\r\n1\r\na0\r\n\r\n" .. hidden,
		["an extension with LF"] = G .. "Transfer-Encoding: chunked\r\n\r\n0;a\n\r\n" .. hidden,
		["an extension with CR alone"] = G .. "Transfer-Encoding: chunked\r\n\r\n0;a\rb\r\n\r\n" .. hidden,
		["an extension whose quotes do not end"] = G .. "Transfer-Encoding: chunked\r\n\r\n0;a=\"b\r\n\r\n" .. hidden,
		["a negative chunk size"] = G .. "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" .. hidden,
		["chunks whose lines end in LF"] = G .. "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n" .. hidden,
		["a chunk that is longer than it says"] = G .. "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" .. hidden,
	},
	["RFC 9112, 7.1.2: fields behind chunks are fields; RFC 9110, 6.5.1: none of them says where a message ends"] = {
		["a length behind chunks"] = G .. "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 33\r\n\r\n" .. hidden,
		["a folded field behind chunks"] = G .. "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n\r\n" .. hidden,
		["a space before a colon behind chunks"] = G .. "Transfer-Encoding: chunked\r\n\r\n0\r\nX : a\r\n\r\n" .. hidden,
	},
}

---By name: requests that have to be refused.
---@type table<string, string>
tricks.requests = {}
---By name: the same as responses, where that is what is wrong with them.
---@type table<string, string>
tricks.responses = {}

for rule, cases in pairs(rules) do
	for name, text in pairs(cases) do
		local what = ("%s (%s)"):format(name, rule)
		tricks.requests[what] = text
		if text:sub(1, #G) == G and not rule:find "Host" then
			tricks.responses[what] = R .. text:sub(#G + 1)
		end
	end
end

return tricks

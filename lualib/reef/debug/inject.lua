-- Runs source text inside a living service (debug command RUN, `inject` of the console).
--
-- The text sees the service's globals and, besides them: `print`, whose output goes to whoever asked; `_U`, the table
-- upvalues of the dispatcher; `_P[protocol]`, those that can be reached from that protocol's dispatch function, so that
-- `_P.lua.CMD` is the local table CMD of the service's file.

---Collects the tables among f's upvalues, and those of the functions among them.
local function table_upvalues(f, found, seen)
	if seen[f] then
		return found
	end
	seen[f] = true
	local i = 1
	while true do
		local name, value = debug.getupvalue(f, i)
		if name == nil then
			return found
		end
		if type(value) == "table" and name ~= "" and name ~= "_ENV" and found[name] == nil then
			found[name] = value
		elseif type(value) == "function" then
			table_upvalues(value, found, seen)
		end
		i = i + 1
	end
end

---@param skynet table
---@param source string Lua text
---@param filename? string for messages; `=name` or `@file`
---@param args? table arguments of the text, with n
---@param dispatch? function the dispatcher
---@param protocols? table<string|integer, table> registered protocols
---@return boolean ok
---@return string[] lines what it printed, and the error
return function(skynet, source, filename, args, dispatch, protocols)
	filename = filename and "@" .. filename:gsub("^[@=]", "") or "=(inject)"
	args = args or { n = 0 }
	local lines = {}
	local function print(...)
		local words = table.pack(...)
		for i = 1, words.n do
			words[i] = tostring(words[i])
		end
		lines[#lines + 1] = table.concat(words, "\t")
	end
	local _P = {}
	setmetatable(_P, {
		__index = function(_, name)
			local protocol = (protocols or skynet._proto)[name]
			if protocol and protocol.dispatch then
				_P[name] = table_upvalues(protocol.dispatch, {}, {})
			end
			return rawget(_P, name)
		end,
	})
	local _U = type(dispatch) == "function" and table_upvalues(dispatch, {}, {}) or {}
	local environment = setmetatable({ print = print, _U = _U, _P = _P }, { __index = _ENV, __newindex = _ENV })
	local f, reason = load(source, filename, "bt", environment)
	if not f then
		return false, { reason }
	end
	local ok
	ok, reason = xpcall(f, debug.traceback, table.unpack(args, 1, args.n))
	if not ok then
		lines[#lines + 1] = tostring(reason)
	end
	return ok, lines
end

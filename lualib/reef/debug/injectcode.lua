-- Evaluates text as if it stood inside a running function: it reads and writes the locals and upvalues of that level.
-- For the remote debugger, while the function is stopped.

---The variables visible in the function at `level` of `thread`: name -> how to get and to set it.
local function variables(thread, level)
	local found = {}
	local info = debug.getinfo(thread, level, "f")
	if not info then
		return found
	end
	local i = 1
	while true do
		local name = debug.getupvalue(info.func, i)
		if name == nil then
			break
		end
		local index = i
		found[name] = {
			get = function()
				return select(2, debug.getupvalue(info.func, index))
			end,
			set = function(value)
				debug.setupvalue(info.func, index, value)
			end,
		}
		i = i + 1
	end
	i = 1
	while true do
		local name, value = debug.getlocal(thread, level, i)
		if name == nil then
			break
		end
		if name:byte() ~= 40 then -- "(temporary)" and the like
			local index, latest = i, value
			found[name] = {
				get = function()
					return latest
				end,
				set = function(new)
					latest = new
					found[name].pending = { index = index }
				end,
			}
		end
		i = i + 1
	end
	return found
end

---@param source string an expression or statements
---@param thread thread
---@param level integer of the stopped function, as for debug.getinfo(thread, level) in the caller
---@param globals? table what is visible before the globals
---@return boolean ok
---@return any ... results, or the error
return function(source, thread, level, globals)
	local own = thread == coroutine.running()
	local found = variables(thread, own and level + 2 or level)
	local outer = found._ENV and found._ENV.get() or _ENV
	local environment = setmetatable({}, {
		__index = function(_, name)
			local variable = found[name]
			if variable then
				return variable.get()
			end
			if globals and globals[name] ~= nil then
				return globals[name]
			end
			return outer[name]
		end,
		__newindex = function(_, name, value)
			if found[name] then
				found[name].set(value)
			else
				outer[name] = value
			end
		end,
	})
	local f, reason = load("return " .. source, "=(debug)", "t", environment)
	if not f then
		f, reason = load(source, "=(debug)", "t", environment)
	end
	if not f then
		return false, reason
	end
	local result = table.pack(pcall(f))
	for _, variable in pairs(found) do
		if variable.pending then
			debug.setlocal(thread, own and level + 1 or level, variable.pending.index, variable.get())
		end
	end
	return table.unpack(result, 1, result.n)
end

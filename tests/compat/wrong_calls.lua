-- timeout: 240
-- Every function of the public API that is written in Lua, and every method of the classes behind it, called with
-- arguments that are not meant: an error that has a line has the caller's, never one of ours.
local skynet = require "skynet"
local test = require "test"

-- What ends or holds up this service or the process by design, or lets others go on without it.
local LEFT_OUT <const> = {
	abort = true, exit = true, kill = true, init_service = true, forward_type = true, filter = true, monitor = true,
	start = true, start_failed = true, ["reef.process.fail"] = true, ["reef.process.stop"] = true,
	["reef.process.daemon"] = true, ["reef.shutdown.on"] = true,
}

-- The public modules are those that have a page.
local function public_modules()
	local names = {}
	local pages <close> = io.popen(("ls '%s/docs/api'"):format(test.root))
	for page in pages:lines() do
		names[#names + 1] = page ~= "README.md" and page:match "^(.*)%.md$" or nil
	end
	return names
end

local function is_ours(f)
	return debug.getinfo(f, "S").source:find("/lualib/", 1, true)
end

-- The functions of a module in Lua, and those of the classes that they refer to, in the same order each time.
local found, seen = {}, {}

local function collect(where, owner, depth)
	local keys = {}
	for key, f in pairs(owner) do
		local wanted = type(key) == "string" and not (LEFT_OUT[key] or LEFT_OUT[where .. key])
		if wanted and type(f) == "function" and is_ours(f) then
			keys[#keys + 1] = key
		end
	end
	table.sort(keys)
	for _, key in ipairs(keys) do
		local f = owner[key]
		if not seen[f] then
			seen[f] = true
			found[#found + 1] = { name = where .. key, f = f }
		end
		for i = 1, depth > 0 and 60 or 0 do
			local name, value = debug.getupvalue(f, i)
			if type(value) == "table" and rawget(value, "__index") == value and not seen[value] then
				seen[value] = true
				collect(where .. name .. ":", value, depth)
			elseif type(value) == "function" and is_ours(value) and not seen[value] then
				seen[value] = true
				collect(where, { [name] = value }, depth - 1)
			end
		end
	end
end

local _ = skynet["not there"] -- now all of it is
for _, name in ipairs(public_modules()) do
	local ok, module = pcall(require, name)
	if ok and type(module) == "table" and name ~= "reef.test" and not name:find "^reef%.test%." then
		collect(name .. ".", module, 2)
	end
end

local WRONG <const> = { false, true, -1, 1.5, "no such", print }

local function draw()
	local arguments = { n = math.random(0, 4) }
	for i = 1, arguments.n do
		local at = math.random(-1, #WRONG)
		arguments[i] = at < 0 and { {} } or WRONG[at]
	end
	return arguments
end

test.case("an error of a wrong call names no line of ours", { timeout = 200 }, function()
	math.randomseed(test.seed)
	local rounds, calls, errors, wrong = test.count(20), 0, 0, {}
	local function call(entry, arguments)
		calls = calls + 1
		local ok, err = pcall(function()
			local result = entry.f(table.unpack(arguments, 1, arguments.n)) -- no tail call
			return result
		end)
		if not ok and type(err) == "string" then
			errors = errors + 1
			local ours = err:match "^[^%s:]*lualib/[%w_/.]+:%d+: .*"
			if ours and not wrong[entry.name] then
				wrong[entry.name] = true
				wrong[#wrong + 1] = entry.name .. ": " .. ours
			end
		end
	end
	for _, entry in ipairs(found) do
		for i = 1, rounds do
			skynet.fork(call, entry, i == 1 and { n = 0 } or draw())
		end
		skynet.yield()
	end
	skynet.sleep(100)
	test.equal(calls, #found * rounds)
	test.between(#found, 500, 1e9)
	test.between(errors, calls // 2, calls)
	test.equal(table.concat(wrong, "\n"), "")
end)

test.run()

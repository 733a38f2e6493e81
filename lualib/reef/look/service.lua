-- One service: what the engine knows of it, and what it says itself, if it answers.
local ask = require "reef.look.ask"
local clean = require "reef.text".clean
local core = require "reef.look"
local engine = require "reef.services"
local fault = require "reef.look.fault"
local json = require "reef.json"
local lines = require "reef.look.lines"
local name_of = require "reef.look.name"
local sample = require "reef.look.sample"
local services = require "reef.look.services"
local skynet = require "skynet"

local ERRORS <const> = 20 -- the last ones

local service = {}

---@param word string|nil  `:hex`, hex, or `.name`
---@return integer
function service.address(word)
	if not word or word == "" then
		fault.raise(400, "address=... is needed")
	end
	local address
	if word:byte() == 46 then
		address = skynet.localname(word)
	else
		address = math.tointeger(tonumber(word:match "^:?(%x+)$" or "", 16))
	end
	if not address or address == 0 or address > 0xffffffff or not engine.alive(address) then
		fault.raise(404, "there is no service %s", word)
	end
	return address
end

local function name_at(now, address)
	local i = now.row[address]
	return i and clean(name_of(now.description[i])) or nil
end

local function by_time(a, b)
	return (a.seconds or -1) > (b.seconds or -1)
end

local function add_what_it_says(look, now, said)
	for _, field in ipairs { "tasks", "queued", "queued_bytes", "queued_limit", "queued_bytes_limit" } do
		look[field] = said[field]
	end
	look.waiting = json.list(said.waiting)
	table.sort(look.waiting, by_time)
	for _, wait in ipairs(look.waiting) do
		wait.stack = clean(wait.stack)
		wait.target_name = wait.target and name_at(now, wait.target)
		wait.target = wait.target and skynet.address(wait.target)
		wait.source_name = wait.source and name_at(now, wait.source)
		wait.source = wait.source and skynet.address(wait.source)
	end
end

service.parameters = { address = true }

---@param parameters table<string, string>
---@return table
function service.look(parameters)
	local address = service.address(parameters.address)
	local now, old = sample.both(address)
	local i = now.row[address]
	if not i then
		fault.raise(404, "service %s has just come or gone", parameters.address)
	end
	local look = services.row(now, old, i)
	look.time, look.seconds = now.time, now.at - old.at
	look.slow_by_type = engine.slow(address)
	local state, kind, source, seconds = core.doing(address)
	look.state = state
	if state == "runs" then
		look.doing = { type = kind, seconds = seconds, source = source ~= 0 and skynet.address(source) or nil,
			source_name = source ~= 0 and name_at(now, source) or nil }
	end
	look.last_errors = lines.last { level = "warn", address = address, limit = ERRORS }
	if now.description[i]:find "^snlua " and address ~= skynet.self() then
		local answered, said = ask(address, "debug", "LOOK")
		look.silent = not answered
		if answered then
			add_what_it_says(look, now, said)
		end
	elseif address == skynet.self() then
		look.silent = false
		add_what_it_says(look, now, require "reef.look.inside"())
	end
	return look
end

return service

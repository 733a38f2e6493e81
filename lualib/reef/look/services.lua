-- The list of services: one by one, or grouped by name.
local clean = require "reef.text".clean
local core = require "reef.services"
local fault = require "reef.look.fault"
local lists = require "reef.look.lists"
local name_of = require "reef.look.name"
local sample = require "reef.look.sample"
local skynet = require "skynet"

local services = {}

local NUMBERS <const> = { "messages", "message_rate", "cpu", "cpu_rate", "queued", "memory", "refused", "errors",
	"error_rate", "slow" }

local function slow_of(address)
	local n = 0
	for _, count in pairs(core.slow(address) or {}) do
		n = n + count
	end
	return n
end

---A number of the service in row i of a look.
---@param now reef.look.sample
---@param old reef.look.sample
---@param i integer
---@param field string
---@return number
function services.number(now, old, i, field)
	if field == "message_rate" then
		return sample.rate(now, old, "messages", i)
	elseif field == "cpu_rate" then
		return sample.rate(now, old, "cpu", i)
	elseif field == "error_rate" then
		return sample.rate(now, old, "errors", i)
	elseif field == "slow" then
		return slow_of(now.address[i])
	end
	return now[field][i]
end

---@param now reef.look.sample
---@param old reef.look.sample
---@param i integer
---@return table
function services.row(now, old, i)
	local description = clean(now.description[i])
	local row = { address = skynet.address(now.address[i]), name = name_of(description), description = description }
	for _, field in ipairs(NUMBERS) do
		row[field] = services.number(now, old, i, field)
	end
	return row
end

local function fields(...)
	local all = { ... }
	local result = {}
	for _, field in ipairs(NUMBERS) do
		result[field] = "number"
	end
	for i = 1, #all, 2 do
		result[all[i]] = all[i + 1]
	end
	return result
end

local one_by_one = fields("address", "text", "name", "text", "description", "text")
local grouped = fields("name", "text", "services", "number")

local function groups(now, old, rows)
	local by_name, list = {}, {}
	for _, i in ipairs(rows) do
		local name = name_of(now.description[i])
		local group = by_name[name]
		if not group then
			group = { name = clean(name), services = 0 }
			for _, field in ipairs(NUMBERS) do
				group[field] = 0
			end
			by_name[name] = group
			list[#list + 1] = group
		end
		group.services = group.services + 1
		for _, field in ipairs(NUMBERS) do
			group[field] = group[field] + services.number(now, old, i, field)
		end
	end
	return list
end

services.parameters = { group = true, name = true }
for name in pairs(lists.parameters) do
	services.parameters[name] = true
end

---@param parameters table<string, string>
---@return table
function services.list(parameters)
	local now, old = sample.both()
	local rows, name = {}, parameters.name
	for i, description in ipairs(now.description) do
		if not name or name_of(description) == name then
			rows[#rows + 1] = i
		end
	end
	local answer = { time = now.time, seconds = now.at - old.at }
	if parameters.group == "name" then
		local all = groups(now, old, rows)
		answer.total = #all
		answer.services, answer.matching = lists.pick(all, {
			fields = grouped, sort = "cpu_rate",
			value = function(group, field)
				return group[field]
			end,
			text = function(group)
				return group.name
			end,
			make = function(group)
				return group
			end,
		}, parameters)
		return answer
	elseif parameters.group then
		fault.raise(400, "group=%s: only group=name is known", parameters.group)
	end
	answer.total = #rows
	answer.services, answer.matching = lists.pick(rows, {
		fields = one_by_one, sort = "cpu_rate",
		value = function(i, field)
			if field == "name" then
				return name_of(now.description[i])
			elseif field == "address" then
				return ("%08x"):format(now.address[i])
			elseif field == "description" then
				return now.description[i]
			end
			return services.number(now, old, i, field)
		end,
		text = function(i)
			return skynet.address(now.address[i]) .. " " .. now.description[i]
		end,
		make = function(i)
			return services.row(now, old, i)
		end,
	}, parameters)
	return answer
end

return services

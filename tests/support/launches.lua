-- Services for tests of how VMs are copied: scripts in the test's directory that say what they see, and are launched
-- again and again. They have `say`, and `later` for what their start function does.

local skynet = require "skynet"
local memory = require "reef.memory"
local test = require "test"
require "skynet.manager"

local HEAD = [[
local skynet = require "skynet"
local out, after = {}, {}
local concat, tostring, select, ipairs = table.concat, tostring, select, ipairs
local function say(...)
	local words = {}
	for i = 1, select("#", ...) do
		words[i] = tostring((select(i, ...)))
	end
	out[#out + 1] = concat(words, " ")
end
local function later(f)
	after[#after + 1] = f
end
]]

local TAIL = "\n" .. [[
skynet.start(function()
	for _, f in ipairs(after) do
		f()
	end
	skynet.dispatch("lua", function()
		skynet.retpack(require("reef.memory").template(), concat(out, "\n"))
	end)
end)
]]

---@class launches
local launches = {}

function launches.write(name, text)
	local file = assert(io.open(test.dir .. "/" .. name .. ".lua", "w"))
	file:write(text)
	file:close()
end

function launches.write_service(name, body)
	launches.write(name, HEAD .. body .. TAIL)
end

---Launches it, and returns whether it is a copy of a template, and what it says.
function launches.ask(name, ...)
	local address = skynet.newservice(name, ...)
	skynet.sleep(0)
	local is_template, text = skynet.call(address, "lua")
	skynet.kill(address)
	return is_template, text
end

---Launches it until there is a template, or would be one: it says the same each time.
function launches.ask_often(name, ...)
	local is_template, first = launches.ask(name, ...)
	test.equal(is_template, false)
	local last
	for _ = 1, 4 do
		local text
		last, text = launches.ask(name, ...)
		test.equal(text, first, name)
	end
	return last, first
end

---The same for a body that has a template, and one that has none.
function launches.expect_template(name, body)
	launches.write_service(name, body)
	local is_template, text = launches.ask_often(name)
	test.equal(memory.template(name), nil, body)
	test.equal(is_template, true, body)
	return text
end

function launches.expect_none(name, body, reason)
	launches.write_service(name, body)
	local is_template, text = launches.ask_often(name)
	test.equal(is_template, false, body)
	test.matches(memory.template(name), reason, body)
	return text
end

return launches

-- Keeps the names of skynet.sharedata. The data are datasheets.

local skynet = require "skynet"
local datasheet = require "reef.datasheet"
local codecache = require "skynet.codecache"
local process = require "reef.process"
local queue = require "skynet.queue"

local sheets = {} -- name -> name of its sheet
local in_turn = queue() -- publishing waits, and what a name is must not change meanwhile

local function load_text(name, text, ...)
	local env = setmetatable({}, { __index = _G })
	local chunk, reason
	if text:sub(1, 1) == "@" then
		chunk, reason = loadfile(text:sub(2), "bt", env)
	else
		chunk, reason = load(text, "=" .. name, "bt", env)
	end
	if not chunk then
		error(reason, 0)
	end
	local result = chunk(...)
	return type(result) == "table" and result or setmetatable(env, nil)
end

local function data_of(name, v, ...)
	if type(v) == "string" then
		return load_text(name, v, ...)
	end
	return v == nil and {} or v
end

local command = {}

local function refuse_known(name)
	if sheets[name] then
		error(("sharedata.new: there is '%s' already"):format(name), 0)
	end
end

local function publish(name, data)
	local sheet = "sharedata: " .. name
	datasheet.publish { [sheet] = data }
	sheets[name] = sheet
end

function command.new(name, ...)
	refuse_known(name)
	local data = data_of(name, ...)
	in_turn(function()
		refuse_known(name)
		publish(name, data)
	end)
end

function command.update(name, ...)
	in_turn(publish, name, data_of(name, ...))
end

function command.delete(name)
	in_turn(function()
		if not sheets[name] then
			error(("sharedata.delete: there is no '%s'"):format(name), 0)
		end
		datasheet.delete(sheets[name])
		sheets[name] = nil
	end)
end

function command.query(name)
	return sheets[name] or error(("sharedata.query: there is no '%s'"):format(name), 0)
end

codecache.mode "OFF"
skynet.start(function()
	process.daemon()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.ret(skynet.pack(pcall(command[name], ...)))
	end)
end)

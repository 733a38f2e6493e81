-- Loads a directory of configuration for reef.config, in a VM of its own: what parsing needs for a moment is gone
-- afterwards. With WATCH it stays, and loads again what changes.

local now = require "reef.base.now"
local core = require "reef.config.core"
local directory = require "reef.config.directory"
local plural = require "reef.plural"
local process = require "reef.process"
local queue = require "skynet.queue"
local report = require "reef.config.report"
local skynet = require "skynet"

-- A file of Lua may ask for more memory than there is.
skynet.memlimit(math.tointeger(tonumber((...))))

local QUIET, MAX_DELAY, RETRY = 0.2, 5, 1 -- seconds
local WRITERS = 12 -- times MAX_DELAY that who writes to a file without closing it is waited for

local one_at_a_time = queue()
local command = {}
local source ---@type reef.config.directory
local watch, numbers
local unwatched = {} -- directories of links, which was said
local running, stopped = false, false
local loop_token = {}
local last_event
local writing = false -- somebody has changed a file and not closed it yet
local state = { version = 0, attempts = 0 }

local function log_errors(err)
	local text = tostring(err)
	if text == state.logged then
		return
	end
	state.logged = text
	for _, line in ipairs(report.lines(err, source.dir)) do
		skynet.error("config: " .. line)
	end
	skynet.error(("config: %s: the data stay as they were: %s"):format(source.dir, plural(err.count, "error")))
end

local function has_changed(result)
	return result.changed + result.added + result.removed > 0
end

local function log_success(result)
	if has_changed(result) then
		skynet.error(("config: %s: %s loaded, %s changed, %d added, %d removed, %.0f ms"):format(source.dir,
			plural(result.loaded, "sheet"), plural(result.changed, "row"), result.added, result.removed, result.ms))
	end
	for _, sheet in ipairs(result.sheets) do
		if sheet.gone and not state.gone[sheet.name] then
			skynet.error(("config: %s: %s is gone; the sheet stays as it was"):format(source.dir, sheet.file))
		end
		state.gone[sheet.name] = sheet.gone
	end
end

-- What is to be watched, all of it: the numbers of the watches.
local function watch_all()
	local watched = {}
	watch:begin()
	for _, path in ipairs(source.directories) do
		local number, reason = watch:add(path)
		if number then
			watched[number] = true
		elseif not reason:find "No such file" then
			watch:finish()
			error(reason, 0)
		end
	end
	for _, way in ipairs(source.ways) do
		local number, reason = watch:add(way.directory, way.name)
		if number then
			watched[number] = true
		elseif not reason:find "No such file" and not unwatched[way.directory] then
			unwatched[way.directory] = true
			skynet.error(("config: %s: %s: a switch of the link %s will not be seen at once"):format(source.dir, reason,
				way.name))
		end
	end
	watch:finish()
	return watched
end

-- Directories that are new are watched, and looked at again: something may have come before the watch.
local function watch_directories()
	for _ = 1, 10 do
		local before, fresh = numbers, false
		numbers = watch_all()
		for number in pairs(numbers) do
			fresh = fresh or not before[number]
		end
		if not fresh then
			return
		end
		source:scan()
	end
end

local function attempt()
	state.attempts = state.attempts + 1
	local signature
	local result, err
	local done = { loaded = 0, changed = 0, added = 0, removed = 0, ms = 0 }
	-- What changed while it was read is read again.
	for _ = 1, 10 do
		result, err = source:load(true)
		for name, number in pairs(done) do
			done[name] = number + (result and result[name] or 0)
		end
		signature = source.signature
		source:scan()
		if signature == source.signature then
			break
		end
	end
	state.signature = signature
	collectgarbage()
	if has_changed(done) then
		state.version = state.version + 1
	end
	if result then
		for name, number in pairs(done) do
			result[name] = number
		end
		state.errors, state.logged = nil, nil
		state.result = result
		state.loaded_at = skynet.time()
	else
		state.errors = err
	end
	return result, err
end

local function attempt_and_log()
	local result, err = attempt()
	if not result then
		log_errors(err)
	else
		log_success(result)
	end
	return result, err
end

-- Waits until there has been no change for a while. A file that is still being written is waited for longer: its writer
-- may pause, but not for as long as changes are put off at all.
local function wait_for_quiet(options, first)
	local quiet, most = options.quiet or QUIET, options.max_delay or MAX_DELAY
	while running and last_event do
		local at = now()
		local left = math.min(last_event + quiet, first + most) - at
		if writing then
			left = math.min(last_event + most, first + WRITERS * most) - at
		end
		if left <= 0 then
			return
		end
		skynet.sleep(math.ceil(math.min(left, math.max(quiet, 0.01)) * 100))
	end
end

-- Waits until no file looks as if it were not whole yet, as far as that can be seen.
local function wait_for_ends(options, first)
	local sheets = source:scan()
	while running and sheets do
		local left = math.min(source:unfinished(sheets) or 0, first + (options.max_delay or MAX_DELAY) - now())
		if left <= 0 then
			break
		end
		skynet.sleep(math.ceil(left * 100) + 1)
		wait_for_quiet(options, first)
		sheets = source:scan()
	end
	return sheets
end

-- After an event files may have changed that look the same; otherwise only what looks different is a reason to read.
local function look(options)
	local first = now()
	wait_for_quiet(options, first)
	wait_for_ends(options, first)
	local told = last_event ~= nil
	last_event = nil
	local sheets = source:scan()
	watch_directories()
	if told or source.signature ~= state.signature then
		one_at_a_time(attempt_and_log)
	end
	return sheets ~= nil
end

local function loop(options)
	local found = true
	while running do
		local wait = not found and (options.retry or RETRY) or options.rescan
		if not last_event then
			if wait then
				skynet.sleep(math.ceil(wait * 100), loop_token)
			else
				skynet.wait(loop_token)
			end
		end
		if running then
			local ok, result = pcall(look, options)
			found = ok and result
			if not ok and state.logged ~= result then
				state.logged = result
				skynet.error(("config: %s: %s"):format(source.dir, result))
			end
		end
	end
end

---Loads and publishes, or only checks.
function command.LOAD(dir, options, only_check)
	return directory.new(dir, options):load(not only_check)
end

---The first load has to succeed; otherwise there is nothing to stay for.
function command.WATCH(dir, options)
	source = directory.new(dir, options)
	watch = assert(core.watch())
	numbers = {}
	state.gone = {}
	source:scan()
	watch_directories()
	local result, err = one_at_a_time(attempt)
	if result then
		running = true
		skynet.fork(loop, source.options)
	end
	return result, err
end

---Looks now, instead of when it is quiet.
function command.RELOAD()
	source:scan()
	watch_directories()
	return one_at_a_time(attempt_and_log)
end

function command.STAT()
	local stat = source:summary()
	stat.dir, stat.directories = source.dir, #source.directories
	stat.version, stat.attempts, stat.loaded_at = state.version, state.attempts, state.loaded_at
	stat.errors = state.errors
	return stat
end

function command.STOP()
	running, stopped = false, true
	watch:close()
	skynet.wakeup(loop_token)
	skynet.retpack()
	skynet.exit()
end

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	unpack = skynet.tostring,
	dispatch = function()
		if not stopped then
			local count, _
			count, _, writing = watch:read()
			if count > 0 then
				last_event = now()
				skynet.wakeup(loop_token)
			end
		end
	end,
}

skynet.start(function()
	process.daemon()
	skynet.dispatch("lua", function(_, _, name, ...)
		if name == "STOP" then
			command.STOP()
		else
			skynet.retpack(command[name](...))
		end
	end)
end)

-- timeout: 240
-- A directory of configuration that is watched, with real files.
local config = require "reef.config"
local datasheet = require "reef.datasheet"
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"

local count = 0

local function write(path, text)
	local file = assert(io.open(path, "wb"))
	file:write(text)
	file:close()
end

local function shell(...)
	local code, output = process.run { "sh", "-c", ... }
	test.equal({ code, output }, { 0, "" })
end

-- A watched directory with these files; sheets have names of their own, because they stay.
local function watched(files, options)
	count = count + 1
	local dir = ("%s/watched%d"):format(test.dir, count)
	assert(process.mkdir(dir))
	for name, text in pairs(files) do
		write(dir .. "/" .. name, text)
	end
	options = options or {}
	options.quiet = options.quiet or 0.05
	local watcher, err = config.watch(dir, options)
	test.truthy(watcher, tostring(err))
	test.defer(watcher.stop, watcher)
	return watcher, dir
end

local function becomes(sheet, key, value)
	local held = datasheet.query(sheet)
	test.eventually(("%s is %s"):format(key, value), 20, function()
		return held[key] and held[key].x == value
	end)
end

local function has_errors(watcher, text)
	test.eventually("the error is told", 20, function()
		local errors = watcher:stat().errors
		return errors and tostring(errors) == text
	end)
end

test.case("a file that is written anew changes the sheet", function()
	local _, dir = watched { ["a1.csv"] = "id,x\n1,2\n" }
	test.equal(datasheet.query("a1")[1].x, 2)
	write(dir .. "/a1.csv", "id,x\n1,3\n")
	becomes("a1", 1, 3)
	write(dir .. "/a1.csv", "id,x\n1,4\n2,5\n")
	becomes("a1", 2, 5)
end)

test.case("a file that is renamed over another changes the sheet", function()
	local _, dir = watched { ["a2.csv"] = "id,x\n1,2\n" }
	write(dir .. "/.a2.csv.swp", "id,x\n1,3\n")
	assert(os.rename(dir .. "/.a2.csv.swp", dir .. "/a2.csv"))
	becomes("a2", 1, 3)
end)

test.case("a bad edit changes nothing and is told, with those that were bad before; a good one ends that", function()
	local watcher, dir = watched { ["a3.csv"] = "id,x\n1,2\n", ["b3.json"] = '{"k":{"x":1}}' }
	write(dir .. "/a3.csv", "id,x\n1\n")
	has_errors(watcher, "a3.csv:2:1: this row has 1 fields, the header has 2")
	write(dir .. "/b3.json", '{"k":{"x":2}')
	has_errors(watcher, "a3.csv:2:1: this row has 1 fields, the header has 2\nb3.json:1:13: the file ends too early")
	test.equal(datasheet.query("a3")[1].x, 2)
	test.equal(datasheet.query("b3").k.x, 1)
	write(dir .. "/a3.csv", "id,x\n1,9\n")
	has_errors(watcher, "b3.json:1:13: the file ends too early")
	test.equal(datasheet.query("a3")[1].x, 2)
	write(dir .. "/b3.json", '{"k":{"x":3}}')
	becomes("b3", "k", 3)
	test.equal(datasheet.query("a3")[1].x, 9)
	test.equal(watcher:stat().errors, nil)
end)

test.case("only what has changed is read again", function()
	local watcher, dir = watched { ["a4.csv"] = "id,x\n1,2\n", ["b4.json"] = '{"k":{"x":1}}' }
	test.equal(watcher.report.loaded, 2)
	skynet.sleep(10)
	watcher:reload() -- files that were written just before they were read
	test.equal(watcher:reload().loaded, 0)
	write(dir .. "/b4.json", '{"k":{"x":2}}')
	test.equal(watcher:reload().loaded, 1)
	test.equal(datasheet.query("b4").k.x, 2)
end)

test.case("a row that others refer to cannot go, although their file has not changed", function()
	local watcher, dir = watched { ["a5.csv"] = "id,x\n1,2\n2,3\n", ["b5.csv"] = "id,x\n7,2\n",
		["b5.schema.lua"] = 'return { rows = { id = "integer", x = { "integer", ref = "a5" } } }' }
	write(dir .. "/a5.csv", "id,x\n1,2\n")
	has_errors(watcher, "b5.csv:2:3: column 'x': 2 is not a key of the sheet 'a5'")
	test.equal(datasheet.query("a5")[2].x, 3)
	write(dir .. "/b5.csv", "id,x\n7,1\n")
	becomes("b5", 7, 1)
	test.equal(datasheet.query("a5")[2], nil)
end)

test.case("a schema that changes is looked at", function()
	local watcher, dir = watched { ["a6.csv"] = "id,x\n1,200\n" }
	write(dir .. "/a6.schema.lua", 'return { rows = { id = "integer", x = { "integer", max = 100 } } }')
	has_errors(watcher, "a6.csv:2:3: column 'x': 200 is more than 100")
	write(dir .. "/a6.schema.lua", 'return { rows = { id = "integer", x = "string" } }')
	becomes("a6", 1, "200")
end)

test.case("a check of the schema holds two files together", function()
	local watcher, dir = watched { ["a7.csv"] = "id,x\n1,2\n", ["b7.csv"] = "id,x\n1,2\n", ["b7.schema.lua"] = [[
		return { rows = { id = "integer", x = "integer" }, check = function(row, sheets)
			if sheets.a7[row.id].x ~= row.x then
				return "not the same as in a7"
			end
		end }]] }
	write(dir .. "/a7.csv", "id,x\n1,3\n")
	has_errors(watcher, "b7.csv:2: not the same as in a7")
	test.equal(datasheet.query("a7")[1].x, 2)
	write(dir .. "/b7.csv", "id,x\n1,3\n")
	becomes("b7", 1, 3)
	test.equal(datasheet.query("a7")[1].x, 3)
	write(dir .. "/b7.csv", "id,x\n1,3\n2,4\n")
	test.eventually("the failed check is told", 20, function()
		local errors = watcher:stat().errors
		return errors and tostring(errors):find "b7.schema.lua:2: attempt to index a nil value"
	end)
end)

test.case("a sheet whose file is gone stays, and follows the file when it is back", function()
	local watcher, dir = watched { ["a8.csv"] = "id,x\n1,2\n", ["b8.csv"] = "id,x\n1,2\n" }
	assert(os.remove(dir .. "/a8.csv"))
	test.eventually("it is noticed", 20, function()
		return watcher:stat().sheets[1].gone
	end)
	test.equal(datasheet.query("a8")[1].x, 2)
	write(dir .. "/a8.csv", "id,x\n1,3\n")
	becomes("a8", 1, 3)
	test.equal(watcher:stat().sheets[1].gone, nil)
end)

test.case("a directory that is deleted and made again is found again", function()
	local watcher, dir = watched({ ["a9.csv"] = "id,x\n1,2\n" }, { retry = 0.05 })
	shell(("rm -r '%s'"):format(dir))
	has_errors(watcher, dir .. ": No such file or directory")
	test.equal(datasheet.query("a9")[1].x, 2)
	shell(("mkdir '%s'"):format(dir))
	write(dir .. "/a9.csv", "id,x\n1,3\n")
	becomes("a9", 1, 3)
	write(dir .. "/a9.csv", "id,x\n1,4\n")
	becomes("a9", 1, 4)
end)

test.case("directories below are watched, new ones too", function()
	local watcher, dir = watched { ["a10.csv"] = "id,x\n1,2\n" }
	shell(("mkdir -p '%s/one/two'"):format(dir))
	write(dir .. "/one/two/b10.csv", "id,x\n1,5\n")
	test.eventually("the sheet is there", 20, datasheet.exists, "one/two/b10")
	write(dir .. "/one/two/b10.csv", "id,x\n1,6\n")
	becomes("one/two/b10", 1, 6)
	test.equal(watcher:stat().directories, 3)
end)

test.case("files that are links into a directory whose name is switched are read anew", function()
	local dir = test.dir .. "/linked"
	shell(([[mkdir -p '%s/..one' '%s/..two'; cd '%s'; ln -s ..one ..data; ln -s ..data/a18.csv a18.csv
		printf 'id,x\n1,2\n' >..one/a18.csv; printf 'id,x\n1,3\n' >..two/a18.csv]]):format(dir, dir, dir))
	local watcher = assert(config.watch(dir, { quiet = 0.05 }))
	test.defer(watcher.stop, watcher)
	test.equal(datasheet.query("a18")[1].x, 2)
	shell(("cd '%s'; ln -s ..two ..new; mv -T ..new ..data"):format(dir))
	becomes("a18", 1, 3)
end)

test.case("a hundred edits at once are few publications, and nobody sees half of them", function()
	local files, names = {}, {}
	for i = 1, 10 do
		names[i] = ("burst%02d"):format(i)
		files[names[i] .. ".csv"] = "id,x\n1,0\n"
	end
	-- All have the same number, or nothing is published.
	files["burst01.schema.lua"] = [[return { rows = { id = "integer", x = "integer" }, check = function(row, sheets)
		for i = 2, 10 do
			if sheets[("burst%02d"):format(i)][1].x ~= row.x then
				return "not the same number everywhere"
			end
		end
	end }]]
	local watcher, dir = watched(files, { quiet = 0.2, max_delay = 60 })
	local before = watcher:stat()
	local sheets = {}
	for i, name in ipairs(names) do
		sheets[i] = datasheet.query(name)
	end
	local function same()
		for i = 2, 10 do
			test.equal(sheets[i][1].x, sheets[1][1].x)
		end
		return sheets[1][1].x
	end
	for edition = 1, 10 do
		for _, name in ipairs(names) do
			write(("%s/%s.csv"):format(dir, name), ("id,x\n1,%d\n"):format(edition))
			same()
			skynet.yield()
		end
	end
	test.eventually("the last edition is there", 20, function()
		return same() == 10
	end)
	local after = watcher:stat()
	test.between(after.version - before.version, 1, 10)
end)

test.case("changes that never end are read in between", function()
	local _, dir = watched({ ["a11.csv"] = "id,x\n1,2\n", ["b11.csv"] = "id,x\n1,2\n" }, { quiet = 30, max_delay = 0.3 })
	local going = true
	test.defer(function()
		going = false
	end)
	skynet.fork(function()
		while going do
			write(dir .. "/.noise", "x")
			skynet.sleep(1)
		end
	end)
	write(dir .. "/a11.csv", "id,x\n1,3\n")
	becomes("a11", 1, 3)
end)

test.case("more events than the kernel keeps are one more reason to look", { timeout = 120 }, function()
	local file = assert(io.open "/proc/sys/fs/inotify/max_queued_events")
	local limit = file:read "n"
	file:close()
	if limit > 100000 then
		test.skip "the kernel keeps too many events"
	end
	local _, dir = watched({ ["a12.csv"] = "id,x\n1,2\n" }, { quiet = 0.3 })
	shell(([[cd '%s'; i=0; while [ $i -lt %d ]; do : >.n; rm .n; i=$((i+1)); done
		printf 'id,x\n1,3\n' >a12.csv]]):format(dir, limit // 3))
	becomes("a12", 1, 3)
end)

test.case("a service that asks may look now, with a deadline", function()
	local watcher, dir = watched({ ["a13.csv"] = "id,x\n1,2\n" }, { quiet = 60, max_delay = 60 })
	write(dir .. "/a13.csv", "id,x\n1,3\n")
	test.equal(watcher:reload(60).changed, 1)
	test.equal(datasheet.query("a13")[1].x, 3)
	write(dir .. "/a13.csv", "id,x\n1\n")
	local result, err = watcher:reload()
	test.equal(result, nil)
	test.equal(err.errors[1].line, 2)
	write(dir .. "/a13.lua", "while true do end")
	os.remove(dir .. "/a13.csv")
	result, err = watcher:reload(0.01)
	test.equal(result, nil)
	test.equal(err.code, "timeout")
	test.matches(tostring(err), "not done after 0.01 s")
end)

test.case("a network file system is looked at every so often", function()
	local _, dir = watched({ ["a14.csv"] = "id,x\n1,2\n" }, { rescan = 0.1, quiet = 0.01 })
	write(dir .. "/a14.csv", "id,x\n1,3\n")
	becomes("a14", 1, 3)
end)

test.case("a directory whose first load fails is not watched", function()
	local dir = test.dir .. "/bad"
	assert(process.mkdir(dir))
	write(dir .. "/a15.json", "{")
	local watcher, err = config.watch(dir)
	test.equal(watcher, nil)
	test.equal(tostring(err), "a15.json:1:2: the file ends too early")
	test.equal(datasheet.exists "a15", false)
end)

test.case("a thousand edits, every tenth a mistake, take no memory", { timeout = 120 }, function()
	local watcher, dir = watched({ ["a17.csv"] = "id,x\n1,0\n" }, { quiet = 60, max_delay = 60 })
	local held = datasheet.query "a17"
	local rows = {}
	for i = 1, 200 do
		rows[i] = ("%d,%%d\n"):format(i)
	end
	local text = "id,x\n" .. table.concat(rows)
	local values = {}
	local function edit(from, to)
		for n = from, to do
			for i = 1, 200 do
				values[i] = n + i
			end
			local bad = n % 10 == 0
			write(dir .. "/a17.csv", text:format(table.unpack(values)) .. (bad and "x\n" or ""))
			test.equal(watcher:reload() == nil, bad)
			test.equal(held[1].x, bad and n or n + 1)
		end
		collectgarbage()
		local file = assert(io.open "/proc/self/statm")
		local pages = file:read "a":match "%d+ (%d+)"
		file:close()
		return tonumber(pages) * 4096
	end
	local before = edit(1, test.count(300))
	local after = edit(test.count(300) + 1, test.count(1300))
	if not test.sanitizer then
		test.between(after - before, -1e9, 4 << 20)
	end
end)

test.case("watching a thousand times takes no file descriptors", function()
	local dir = test.dir .. "/often"
	assert(process.mkdir(dir))
	write(dir .. "/a16.csv", "id\n1\n")
	local function descriptors()
		local _, output = process.run { "sh", "-c", "ls /proc/$PPID/fd | wc -l" }
		return math.tointeger(tonumber(output))
	end
	assert(config.watch(dir)):stop()
	local before = descriptors()
	for _ = 1, test.count(300) do
		assert(config.watch(dir)):stop()
	end
	test.eventually("they are closed", 20, function()
		return descriptors() <= before
	end)
end)

test.run()

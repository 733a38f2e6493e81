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
		-- Each line begins with the directory.
		local said = errors and tostring(errors):gsub(watcher.dir:gsub("%p", "%%%0") .. "/", "")
		return said == text
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
	-- Without a pause, so that there are more of them than the watcher reads meanwhile.
	for _ = 1, limit do
		write(dir .. "/.n", "")
		os.remove(dir .. "/.n")
	end
	write(dir .. "/a12.csv", "id,x\n1,3\n")
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
	test.matches(tostring(err), "^/.*/a15%.json:1:2: the file ends too early$")
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

-- ---- links ----

-- A directory for what a case needs, not watched itself.
local function aside()
	count = count + 1
	local dir = ("%s/aside%d"):format(test.dir, count)
	assert(process.mkdir(dir))
	return dir
end

local function watch(dir, options)
	options = options or {}
	options.quiet = options.quiet or 0.05
	local watcher, err = config.watch(dir, options)
	test.truthy(watcher, tostring(err))
	test.defer(watcher.stop, watcher)
	return watcher
end

test.case("a link that is switched to another directory is followed, as often as it is", function()
	local base = aside()
	for i = 1, 4 do
		shell(("mkdir -p '%s/releases/%d/data'"):format(base, i))
		write(("%s/releases/%d/data/l1.csv"):format(base, i), ("id,x\n1,%d\n"):format(i))
	end
	shell(("cd '%s' && ln -s releases/1 current && ln -s current/data live"):format(base))
	local watcher = watch(base .. "/live")
	for i = 2, 4 do
		-- By a rename, and by removing it first.
		shell(i == 3 and ("cd '%s' && rm current && ln -s releases/3 current"):format(base)
			or ("cd '%s' && ln -s releases/%d new && mv -T new current"):format(base, i))
		becomes("l1", 1, i)
	end
	write(base .. "/releases/4/data/l1.csv", "id,x\n1,44\n")
	becomes("l1", 1, 44)
	-- What is not current any more is of no interest.
	local attempts = watcher:stat().attempts
	write(base .. "/releases/1/data/l1.csv", "id,x\n1,111\n")
	write(base .. "/unrelated.csv", "id,x\n")
	skynet.sleep(40)
	test.equal(watcher:stat().attempts, attempts)
end)

test.case("a file that is a link is followed when it is switched, and when what it leads to is edited", function()
	local base = aside()
	shell(("mkdir '%s/data' '%s/store'"):format(base, base))
	write(base .. "/store/a.csv", "id,x\n1,1\n")
	write(base .. "/store/b.csv", "id,x\n1,2\n")
	shell(("cd '%s' && ln -s store/a.csv between && ln -s ../between data/l2.csv"):format(base))
	watch(base .. "/data")
	write(base .. "/store/a.csv", "id,x\n1,10\n")
	becomes("l2", 1, 10)
	shell(("cd '%s' && ln -s store/b.csv new && mv -T new between"):format(base))
	becomes("l2", 1, 2)
	write(base .. "/store/b.csv", "id,x\n1,20\n")
	becomes("l2", 1, 20)
	write(base .. "/store/.b.tmp", "id,x\n1,30\n")
	assert(os.rename(base .. "/store/.b.tmp", base .. "/store/b.csv"))
	becomes("l2", 1, 30)
	shell(("cd '%s' && ln -sf ../store/a.csv data/l2.csv"):format(base))
	becomes("l2", 1, 10)
end)

test.case("directories and files behind links that lead nowhere yet are found when they come", function()
	local base = aside()
	shell(("mkdir '%s/data' && cd '%s/data' && ln -s ../later more && ln -s ../soon.csv l3.csv"):format(base, base))
	write(base .. "/data/l3a.csv", "id,x\n1,1\n")
	watch(base .. "/data")
	write(base .. "/soon.csv", "id,x\n1,2\n")
	test.eventually("the file is found", 20, function()
		return datasheet.exists "l3"
	end)
	becomes("l3", 1, 2)
	shell(("mkdir '%s/later'"):format(base))
	write(base .. "/later/l3b.csv", "id,x\n1,3\n")
	test.eventually("the directory is found", 20, function()
		return datasheet.exists "more/l3b"
	end)
	shell(("cd '%s' && ln -s round data/round"):format(base)) -- a circle
	write(base .. "/data/l3a.csv", "id,x\n1,4\n")
	becomes("l3a", 1, 4)
end)

-- ---- files that are being written ----

-- Everything that readers have seen of a field while f ran and a while after.
local function seen_of(sheet, f)
	local held, seen, on = datasheet.query(sheet), {}, true
	skynet.fork(function()
		while on do
			local rows = 0
			for _ in pairs(held) do
				rows = rows + 1
			end
			if seen[#seen] ~= rows then
				seen[#seen + 1] = rows
			end
			skynet.sleep(2)
		end
	end)
	f()
	skynet.sleep(10)
	on = false
	return seen
end

local function csv(n)
	local lines = { "id,x" }
	for i = 1, n do
		lines[#lines + 1] = ("%d,%d"):format(i, i)
	end
	return table.concat(lines, "\n") .. "\n"
end

test.case("a file that is written slowly in its place is published when it is whole", function()
	math.randomseed(test.seed or 1)
	local _, dir = watched({ ["w1.csv"] = csv(100) }, { quiet = 0.1 })
	local text = csv(80)
	local seen = seen_of("w1", function()
		for round = 1, 3 do
			local n = 80 + round
			text = csv(n)
			local file = assert(io.open(dir .. "/w1.csv", "wb"))
			file:setvbuf "no"
			local at = 1
			while at <= #text do
				local last = math.min(#text, at + math.random(40, 400))
				if math.random(2) == 1 then
					last = text:find("\n", last, true) or last
				end
				file:write(text:sub(at, last))
				at = last + 1
				skynet.sleep(math.random(20, 60))
			end
			file:close()
			test.eventually("it is published", 20, function()
				return datasheet.query("w1")[n] and not datasheet.query("w1")[n + 1]
			end)
		end
	end)
	test.equal(seen, { 100, 81, 82, 83 })
end)

test.case("a file that is written in several goes, to the middle of a line, is published when it is whole", function()
	local _, dir = watched({ ["w2.csv"] = csv(50) }, { quiet = 0.1 })
	local text = csv(30)
	local seen = seen_of("w2", function()
		for i = 0, 3 do
			local file = assert(io.open(dir .. "/w2.csv", i == 0 and "wb" or "ab"))
			file:write(text:sub(i * 40 + 1, i == 3 and -1 or i * 40 + 40))
			file:close()
			skynet.sleep(40)
		end
		test.eventually("it is published", 20, function()
			return not datasheet.query("w2")[31]
		end)
	end)
	test.equal(seen, { 50, 30 })
end)

test.case("a file that does not end with a line, and one that stays open, are published all the same", function()
	local _, dir = watched({ ["w3.csv"] = "id,x\n1,2\n" }, { quiet = 0.1, max_delay = 1 })
	write(dir .. "/w3.csv", "id,x\n1,3")
	becomes("w3", 1, 3)
	local file <close> = assert(io.open(dir .. "/w3.csv", "wb"))
	file:write "id,x\n1,4\n"
	file:flush()
	becomes("w3", 1, 4)
end)

test.case("what was published is counted, though a file was written meanwhile and all was read once more", function()
	local files = {}
	for i = 1, 200 do
		files[("v%d.csv"):format(i)] = "id,x\n1,0\n"
	end
	local watcher, dir = watched(files)
	for edition = 1, 5 do
		local before = watcher:stat()
		for i = 1, 200 do
			write(("%s/v%d.csv"):format(dir, i), ("id,x\n1,%d\n"):format(edition))
		end
		test.eventually("it is being read", 20, function()
			return watcher:stat().attempts > before.attempts
		end)
		write(dir .. "/v200.csv", ("id,x\n1,%d\n"):format(edition)) -- the same again
		becomes("v1", 1, edition)
		becomes("v199", 1, edition)
		test.eventually("it is counted", 20, function()
			return watcher:stat().version > before.version
		end)
	end
end)

test.run()

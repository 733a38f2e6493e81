-- Files of GridFS over a link that is cut at any byte, against a real server: afterwards a file is there whole, or the
-- error says that it may not be, and nothing that is less than the file can be read as if it were the file.
-- timeout: 1200
local errors = require "reef.mongo.errors"
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local proxies = require "test.proxy"
local skynet = require "skynet"
local test = require "test"

-- Files each way, their bytes at most, and in a piece.
local FILES, MOST, PIECE = 20, 60000, 5000

-- Reads are not repeated: each cut is to be seen.
local function start(on_event)
	local server = mongo_server.start()
	local proxy = proxies.start(server.port)
	local direct = mongo.client { host = "127.0.0.1", port = server.port }
	test.defer(direct.disconnect, direct)
	local client = mongo.client {
		host = "127.0.0.1", port = proxy.port, timeoutMS = 20000, heartbeatFrequencyMS = 500, retryReads = false,
		on_event = on_event,
	}
	test.defer(client.disconnect, client)
	local options = { chunkSizeBytes = PIECE }
	return client.media:bucket(options), direct.media:bucket(options), proxy
end

local function bytes()
	local parts = {}
	for i = 1, math.random(0, MOST) // 8 do
		parts[i] = string.pack("<I8", math.random(0))
	end
	return table.concat(parts)
end

-- The file, or nil and why it could not be read.
local function read(bucket, id)
	local parts = {}
	local ok, err = pcall(bucket.downloadToStream, bucket, id, function(part)
		parts[#parts + 1] = part
	end)
	return ok and table.concat(parts) or nil, err
end

-- Both have to be seen, however few files a sanitizer leaves.
local function more_of(done, whole, cut)
	return done < test.count(FILES) or done < 20 * FILES and (whole == 0 or cut == 0)
end

local function check_error(err, cut)
	test.truthy(errors.is(err), tostring(err))
	test.truthy(err.outcome == "not sent" or err.outcome == "maybe applied" or err.outcome == "rejected", tostring(err))
	cut[err.outcome] = (cut[err.outcome] or 0) + 1
	cut.n = cut.n + 1
end

test.case("what an upload that was cut leaves is no file, or the whole file", { timeout = 900 }, function()
	local through, direct, proxy = start()
	direct:uploadFromStream("first", "x")
	proxy:set { cut = MOST, split = 3000 }
	local whole, cut, i = 0, { n = 0 }, 0
	while more_of(i, whole, cut.n) do
		i = i + 1
		local data = bytes()
		local file = through:openUploadStream("file " .. i)
		local ok, err = pcall(function()
			for at = 1, #data, 7000 do
				file:write(data:sub(at, at + 6999))
			end
			file:close()
		end)
		local found, why = read(direct, file.id)
		if ok then
			test.truthy(found == data, why)
			whole = whole + 1
		else
			check_error(err, cut)
			test.truthy(found == nil or found == data, "half of a file is read as a file")
			-- Trying to close it again does not make it whole.
			local again = pcall(file.close, file)
			test.equal(again, false)
		end
	end
	test.truthy(whole > 0 and cut.n > 0, ("%d whole, %d cut"):format(whole, cut.n))
end)

test.case("a file whose end was lost on its way does not become one when it is closed again", function()
	local proxy ---@type test.proxy
	local through, direct, lost
	local function lose(event)
		local command = event.command
		if event.name == "CommandStarted" and command[1] == "insert" and command[2] == "fs.files" and not lost then
			lost = true
			proxy:hold "up"
			skynet.timeout(10, function()
				proxy:cut()
				proxy:heal()
			end)
		end
	end
	through, direct, proxy = start(lose)
	local file = through:openUploadStream "file"
	file:write(("x"):rep(2 * PIECE))
	for _ = 1, 2 do
		local ok, err = pcall(file.close, file)
		test.equal({ ok, ok or err.outcome }, { false, "maybe applied" })
	end
	test.equal(read(direct, file.id), nil)
	-- It might have become one: only what removes both may take the pieces.
	local ok, err = pcall(file.abort, file)
	test.equal({ ok, ok or err.kind }, { false, "file may exist" })
	test.equal(direct.chunks:countDocuments {}, 2)
	test.raises("no file", direct.delete, direct, file.id)
	test.equal(direct.chunks:countDocuments {}, 0)
end)

test.case("whatever is cut, a listed file is whole, and that of another stays", { timeout = 900 }, function()
	local through, direct, proxy = start()
	local taken = {}
	for i = 1, 4 do
		taken[i] = bytes()
		direct:uploadFromStreamWithId(i, "taken", taken[i])
	end
	proxy:set { cut = MOST, split = 3000 }
	local whole, cut, refused, i = 0, { n = 0 }, 0, #taken
	while more_of(i - #taken, whole, cut.n) or refused == 0 do
		i = i + 1
		local data, id = bytes(), math.random(2) == 1 and i or i % #taken + 1
		local ok, err
		if math.random(2) == 1 then
			ok, err = pcall(through.uploadFromStreamWithId, through, id, "file", data)
		else
			local file = through:openUploadStreamWithId(id, "file")
			ok, err = pcall(function()
				file:write(data)
				file:close()
			end)
			local given_up, why = pcall(file.abort, file)
			test.truthy(given_up or not ok and errors.is(why), tostring(why))
		end
		if ok then
			whole = whole + 1
		elseif err.kind == "duplicate key" then
			refused = refused + 1
		else
			check_error(err, cut)
		end
		test.truthy(not ok or id == i, "an id was taken twice")
		local listed = direct:find({ _id = id }):toArray()[1] ~= nil
		local found, why = read(direct, id)
		test.truthy(listed or not ok, "a file that was stored is not listed")
		test.truthy(not listed or found == (taken[id] or data), tostring(why))
	end
	for id, data in ipairs(taken) do
		test.truthy(read(direct, id) == data, "the file of another was touched")
	end
	test.note(("%d whole, %d cut, %d refused"):format(whole, cut.n, refused))
end)

test.case("a download that was cut is the whole file, or an error", { timeout = 900 }, function()
	local through, direct, proxy = start()
	local ids, contents = {}, {}
	for i = 1, 5 do
		contents[i] = bytes() .. "end"
		ids[i] = direct:uploadFromStream("file " .. i, contents[i])
	end
	proxy:set { cut = MOST // 2, split = 3000 }
	local whole, cut, i = 0, { n = 0 }, 0
	while more_of(i, whole, cut.n) do
		i = i + 1
		local k = i % #ids + 1
		local found, err = read(through, ids[k])
		if found then
			test.truthy(found == contents[k], "half of a file was read as a file")
			whole = whole + 1
		else
			check_error(err, cut)
		end
	end
	test.truthy(whole > 0 and cut.n > 0, ("%d whole, %d cut"):format(whole, cut.n))
end)

test.run()

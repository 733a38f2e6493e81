-- The suites in the unified format: each case against the real server as far as that can do it, and against the peer
-- in every topology that the case is for; under a sanitizer against one of these. All of it runs within the first case,
-- which owns the servers; the others report what came of theirs.
-- timeout: 1800
local entities = require "test.unified.entities"
local match = require "test.unified.match"
local mongo_peer = require "test.mongo_peer"
local skynet = require "skynet"
local spec = require "test.spec"
local target = require "test.target"
local test = require "test"
local unified = require "test.unified"

-- Suites whose other files have tests of their own.
local OTHERS = {
	auth = true, ["bson-corpus"] = true, ["connection-monitoring-and-pooling"] = true, ["connection-string"] = true,
	["bson-binary-vector"] = true, ["initial-dns-seedlist-discovery"] = true, ["max-staleness"] = true,
	["read-write-concern"] = true, ["server-discovery-and-monitoring"] = true,
	["server-selection"] = true, ["uri-options"] = true,
}

-- What FerretDB answers otherwise than the server that the suites are for: words in a case, files, or cases of them.
local FERRETDB_WORDS = {
	["$listLocalSessions"] = "has no $listLocalSessions", ["$merge"] = "has no $merge and says so by another code",
	mapReduce = "has no mapReduce", clusteredIndex = "ignores clusteredIndex", errorResponse = "tells less in its errors",
	writeErrors = "leaves n out beside a write error",
	["$collStats"] = "closes the connection",
}
local FERRETDB = {
	["run-command/unified/runCursorCommand: does not close the cursor when receiving an empty batch"] =
		"ends tailable cursors",
	["server-discovery-and-monitoring/unified/serverMonitoringMode"] = "does not speak up by itself",
	["read-write-concern/operation/default-write-concern-3.4: MapReduce omits default write concern"] = "has no mapReduce",
	["versioned-api/crud-api-version-1-strict: distinct appends declared API version"] = "ignores the declared version",
	["versioned-api/runcommand-helper-no-api-version-declared"] = "ignores the declared version",
	["sessions/snapshot-sessions-not-supported-server-error"] = "ignores read concerns",
}

-- Why a case that has a word among its keys and texts is not for FerretDB; nil if it has none.
local function ferretdb_lacks(v)
	if type(v) ~= "table" then
		return FERRETDB_WORDS[v]
	end
	for key, inner in pairs(v) do
		local numbered = key == "upsertedIds" and next(match.fields(inner)) ~= nil
		local why = FERRETDB_WORDS[key] or numbered and "gives upserts other numbers" or ferretdb_lacks(inner)
		if why then
			return why
		end
	end
	return nil
end

-- What the driver does otherwise on purpose, or not yet: patterns of names, and why.
local DEPARTURES = {
	["/runCursorCommand: .*timeoutMS is refreshed for getMore.* %- failure$"] =
		"the file blocks a command for less than the time that it expects to be over",
}

-- What is otherwise for clients that share a pool's connections.
local POOLED = {
	["/driver%-connection%-id$"] = "numbers of connections, which the pool's service has",
	["^open%-telemetry/"] = "numbers of connections, which the pool's service has",
	["logging/unacknowledged%-write$"] = "a read may overtake a write that nobody waits for on another connection",
}

local TOPOLOGIES = { "replicaset", "sharded", "single", "load-balanced" }
-- The first with load balancers.
local BALANCED = "5.0.0"
local VERSIONS = { "8.2.0", "8.0.0", "7.0.0", "5.0.0", "4.4.0", "4.2.0" }

local cases = {}
local unreached = "the first case did not run"

-- ---- one case against all that can do it ----

local peers = {}

local function peer_of(topology, version, auth)
	local key = ("%s %s %s"):format(topology, version, auth)
	peers[key] = peers[key] or target.peer(topology, version, auth)
	return peers[key]
end

-- The first version of the peer that suits; or nil and why none does.
local function suitable_peer(topology, file, case)
	local why
	for _, auth in ipairs { false, true } do
		for _, version in ipairs(VERSIONS) do
			local wanted = { topology = topology, number = mongo_peer.version_number(version), auth = auth, peer = true }
			local reason = unified.why_not(wanted, file, case)
			if topology == "load-balanced" and wanted.number < mongo_peer.version_number(BALANCED) then
				reason = reason or "server " .. BALANCED .. " or later for load balancers"
			end
			if not reason then
				return peer_of(topology, version, auth)
			end
			why = why or reason
		end
	end
	return nil, why
end

-- Suites whose files have times that a busy machine does not keep: they are run alone, and tried again.
local TIMED = { ["client-side-operations-timeout"] = 10 }

local function tries_of(entry)
	return TIMED[entry.name:match "^[^/]+"] or 1
end

local function attempt(entry, on)
	local ok, err
	for i = 1, tries_of(entry) do
		-- What makes the machine busy may be over then.
		skynet.sleep((i - 1) * 20)
		ok, err = pcall(test.within, 30, unified.run, on, entry.file, entry.case)
		if ok or type(err) == "table" and err.skipped then
			break
		end
	end
	if ok then
		entry.passed = entry.passed or on.name
	elseif type(err) == "table" and err.skipped then
		entry.skipped = err.skipped
	else
		entry.failed = ("on %s: %s"):format(on.name, tostring(err))
	end
end

local function run_case(entry, server)
	for pattern, why in pairs(entities.through_pools and POOLED or {}) do
		if entry.name:find(pattern) then
			entry.skipped = why
			return
		end
	end
	for pattern, why in pairs(DEPARTURES) do
		if entry.name:find(pattern) or entry.title:find(pattern) then
			entry.skipped = why
			return
		end
	end
	local places = {}
	local other = server and server.ferretdb and (FERRETDB[entry.name] or FERRETDB[entry.title]
		or ferretdb_lacks(entry.case))
	if other then
		entry.skipped = "FerretDB " .. other
	else
		places[1] = server
	end
	for _, topology in ipairs(entities.through_pools and { "replicaset", "sharded", "single" } or TOPOLOGIES) do
		local peer, why = suitable_peer(topology, entry.file, entry.case)
		places[#places + 1] = peer
		entry.skipped = not peer and (entry.skipped or "needs " .. why) or entry.skipped
	end
	-- A sanitizer looks at one of them in each run, and at another in the next.
	if test.sanitizer then
		for i = 1, #places do
			local place = places[(test.seed + entry.number + i) % #places + 1]
			attempt(entry, place)
			if entry.passed or entry.failed then
				entry.on_server = place == server
				return
			end
		end
		return
	end
	if server and places[1] == server then
		table.remove(places, 1)
		attempt(entry, server)
		entry.on_server = entry.passed ~= nil
	end
	local running, token = 0, {}
	for _, peer in ipairs(entry.failed and {} or places) do
		running = running + 1
		if running > 1 and tries_of(entry) > 1 then
			skynet.wait(token)
		end
		skynet.fork(function()
			attempt(entry, peer)
			running = running - 1
			skynet.wakeup(token)
		end)
	end
	while running > 0 do
		skynet.wait(token)
	end
end

local function run_all()
	local ok, server = pcall(target.server)
	if not ok then
		server = nil
	end
	for _, entry in ipairs(cases) do
		if not os.getenv "REEF_TEST_ONLY" or entry.title:find(os.getenv "REEF_TEST_ONLY", 1, true) then
			run_case(entry, server)
		end
	end
	for _, peer in pairs(peers) do
		peer:close()
	end
	if server then
		server:close()
	end
	unreached = nil
end

-- ---- reporting ----

local function report(entry)
	if unreached then
		test.skip(unreached)
	elseif entry.failed then
		error(entry.failed, 0)
	elseif not entry.passed then
		test.skip(entry.skipped)
	end
	test.note(entry.on_server and "server" or "peer")
end

if spec.root then
	local only = os.getenv "REEF_TEST_ONLY"
	test.case("servers run the suites" .. (only and ": " .. only or ""), { timeout = 1700 }, run_all)
end
for _, suite in ipairs(spec.suites()) do
	spec.files(suite, function(name, _, text)
		local files = unified.decode(text)
		for _, file in ipairs(files) do
			for _, case in ipairs(file.tests) do
				local entry = { file = file, case = case, name = name, number = #cases }
				entry.title = ("%s: %s"):format(entry.name, case.description or "")
				cases[#cases + 1] = entry
				test.case(entry.title, function()
					report(entry)
				end)
			end
		end
		if not files[1] and not OTHERS[suite] then
			test.case(name .. ": all of it", function()
				test.skip "a format of its own"
			end)
		end
	end)
end

test.run()

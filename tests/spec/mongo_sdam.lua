-- tsan: no, one thread does all of it
-- Server discovery and monitoring: the suites that are pure data.
local bson = require "bson"
local replies = require "reef.mongo.replies"
local sdam = require "reef.mongo.sdam"
local spec = require "test.spec"
local test = require "test"
local topology = require "reef.mongo.topology"
local uri = require "reef.mongo.uri"

local function known(value)
	return value ~= bson.null and value or nil
end

local function check_server(got, want, pools, address)
	test.truthy(got, address .. " is known")
	-- Who watches all servers at once has no use for this type (specification "Server Discovery And Monitoring").
	test.equal(got.type, want.type == "PossiblePrimary" and "Unknown" or want.type, address .. " type")
	for _, key in ipairs {
		"setName", "setVersion", "electionId", "logicalSessionTimeoutMinutes", "minWireVersion", "maxWireVersion",
	} do
		if want[key] ~= nil then
			test.equal(got[key], known(want[key]), address .. " " .. key)
		end
	end
	if want.topologyVersion ~= nil then
		test.equal(got.topologyVersion, known(want.topologyVersion), address .. " topologyVersion")
	end
	if want.pool then
		test.equal(pools[address] or 0, want.pool.generation, address .. " generation of the pool")
	end
	if want.error then
		test.truthy(got.error, address .. " has an error")
	end
end

local function check_topology(t, want, pools)
	test.equal(t.type, want.topologyType)
	for _, key in ipairs { "setName", "maxSetVersion", "maxElectionId", "logicalSessionTimeoutMinutes" } do
		if want[key] ~= nil then
			test.equal(t[key], known(want[key]), key)
		end
	end
	if want.compatible ~= nil then
		test.equal(t.compatible, want.compatible, "compatible")
	end
	for address, server in pairs(want.servers) do
		check_server(t.servers[address], server, pools, address)
	end
	for address in pairs(t.servers) do
		test.truthy(want.servers[address], address .. " is expected")
	end
end

-- ---- events ----

local function show_server(server)
	return {
		address = server.address, type = server.type == "PossiblePrimary" and "Unknown" or server.type,
		arbiters = server.arbiters or {}, hosts = server.hosts or {},
		passives = server.passives or {}, primary = server.primary, setName = server.setName,
	}
end

local function show_topology(t)
	local servers = {}
	for address, server in pairs(t.servers) do
		servers[address] = show_server(server)
	end
	return { topologyType = t.type, setName = t.setName, servers = servers }
end

local function by_address(description)
	local servers = {}
	for _, server in ipairs(description.servers) do
		servers[server.address] = show_server(server)
	end
	return { topologyType = description.topologyType, setName = description.setName, servers = servers }
end

local names = {
	topology_opening_event = "TopologyOpening", topology_description_changed_event = "TopologyDescriptionChanged",
	topology_closed_event = "TopologyClosed", server_opening_event = "ServerOpening",
	server_closed_event = "ServerClosed", server_description_changed_event = "ServerDescriptionChanged",
}

local function check_events(events, want)
	for i, expected in ipairs(want) do
		local key, content = next(expected)
		local event = events[i]
		test.equal(event and event.name, names[key], "event " .. i)
		if content.address then
			test.equal(event.address, content.address, "event " .. i)
		end
		if content.newDescription then
			local convert = content.newDescription.topologyType and show_topology or show_server
			local expect = content.newDescription.topologyType and by_address or show_server
			test.equal(convert(event.new), expect(content.newDescription), "event " .. i)
			test.equal(convert(event.previous), expect(content.previousDescription), "event " .. i)
		end
	end
	test.equal(#events, #want, "number of events")
end

-- ---- running ----

local function run(case)
	local events = {}
	local t = topology.new(uri.parse(case.uri), function(event)
		events[#events + 1] = event
	end)
	t:open()
	for _, phase in ipairs(case.phases) do
		for _, response in ipairs(phase.responses or {}) do
			local address, hello = response[1], response[2]
			if next(hello) then
				test.equal(replies.check_hello(hello), nil, "why the reply of " .. address .. " is none")
				t:heard(sdam.describe(address, hello))
			else
				t:lost(address, "network error")
			end
		end
		for _, err in ipairs(phase.applicationErrors or {}) do
			t:application_error(err.address, {
				type = err.type, reply = err.response, generation = err.generation,
				handshake_done = err.when == "afterHandshakeCompletes",
			})
		end
		local outcome = phase.outcome
		if outcome.events then
			check_events(events, outcome.events)
			events = {}
		end
		if outcome.topologyType then
			check_topology(t.description, outcome, t.generations)
		end
	end
end

spec.files("server-discovery-and-monitoring", function(name, data, text)
	if not spec.is_unified(data) then
		test.case(name .. ": " .. (data.description or ""), function()
			run(bson.decode(bson.from_json(text)))
		end)
	end
end)

test.run()

-- timeout: 240
-- Traces that leave the process: requests to databases, calls to another node, and HTTP, both ways.
local http = require "reef.http.client"
local httpd = require "reef.http.server"
local json = require "reef.json"
local mysql = require "test.mysql"
local nodes = require "test.nodes"
local postgres = require "test.postgres"
local process = require "test.process"
local redis = require "test.redis"
local skynet = require "skynet"
local test = require "test"
local trace = require "reef.trace"

local ROOT <const> = "00f067aa0ba902b7" -- span of whoever has asked us

local traces = 0

local function new_id()
	traces = traces + 1
	return ("%016x%016x"):format(math.random(1, math.maxinteger), traces)
end

-- Runs f in a trace that has begun elsewhere, and returns it as it was kept.
local function traced(f, ...)
	trace.start { rate = 1, services = "nobody*" }
	local id, done, problem = new_id(), false, nil
	skynet.fork(function(...)
		test.equal(trace.continue(("00-%s-%s-01"):format(id, ROOT)), true)
		local ok, err = pcall(f, ...)
		done, problem = true, not ok and err or nil
	end, ...)
	test.eventually("it is done", 40, function()
		return done
	end)
	test.equal(problem, nil)
	local found
	test.eventually("the trace is kept", 40, function()
		for _, kept in ipairs((trace.list())) do
			if kept.trace == id then
				found = kept
			end
		end
		return found
	end)
	return found
end

-- The request's own span, and the spans below it in the order in which they began; their names.
local function below(kept)
	local root
	for _, span in ipairs(kept.spans) do
		root = span.parent == ROOT and span or root
	end
	test.truthy(root, "the request has a span")
	local spans, names = {}, {}
	for _, span in ipairs(kept.spans) do
		if span.parent == root.id then
			spans[#spans + 1] = span
			names[#names + 1] = ("%s %s%s"):format(span.kind, span.name, span.error and " failed" or "")
		end
	end
	return spans, names
end

test.case("what a driver waits for is a span of its name, with its error", function()
	local server = redis.start()
	local db = require("skynet.db.redis").connect("redis://127.0.0.1:" .. server.port)
	local pool = require("reef.pool").redis("redis://127.0.0.1:" .. server.port)
	pool:ping()
	local spans, names = below(traced(function()
		db:set("k", "v")
		pcall(db.incr, db, "k")
		db:pipeline { { "get", "k" }, { "get", "k" } }
		pool:get "k"
	end))
	test.equal(names, { "wait redis SET", "wait redis INCR failed", "wait redis pipeline", "wait redis GET" })
	for _, span in ipairs(spans) do
		test.truthy(span.duration > 0 and span.offset >= 0)
	end
end)

test.case("so it is with SQL", { timeout = 120 }, function()
	local servers = { mysql = { mysql.start(), "skynet.db.mysql", "root" },
		postgres = { postgres.start(), "reef.db.postgres", "postgres" } }
	for name, of in pairs(servers) do
		local db = require(of[2]).connect { host = "127.0.0.1", port = of[1].port, user = of[3] }
		local _, names = below(traced(function()
			db:query(name == "mysql" and "SELECT SLEEP(0.1)" or "SELECT pg_sleep(0.1)")
		end))
		test.truthy(#names >= 1)
		for _, text in ipairs(names) do
			test.equal(text, ("wait %s query"):format(name))
		end
	end
end)

test.case("a call to another node goes on there, as part of the request here, without lines in its log", function()
	local at = "127.0.0.1:" .. process.free_port()
	-- Nothing begins there: one of a billion.
	local node = nodes.start("traced", { more = ('metrics = "%s"\ntrace_rate = 1e-9\n'):format(at) })
	test.eventually("it keeps traces", 20, function()
		local _, text = process.run { "curl", "-s", ("http://%s/api/traces"):format(at) }
		local body = json.decode(text)
		return body and body.about and body.about.rate > 0
	end)
	node:call "echo"
	local kept = traced(function()
		test.equal(node:call("echo", 1), 1)
	end)
	local spans, names = below(kept)
	test.equal(names, { "call call" })
	local hop
	for _, span in ipairs(kept.spans) do
		hop = span.parent == spans[1].id and span or hop
	end
	test.equal(hop.service_name, "clustersender")
	local there
	test.eventually("the other node has the trace", 40, function()
		local _, text = process.run { "curl", "-s", ("http://%s/api/traces"):format(at) }
		local body = json.decode(text)
		there = body and body.traces[1]
		return there
	end)
	test.equal(#there.spans, 1)
	local span = there.spans[1]
	test.equal({ there.trace, span.parent, span.kind, span.name, span.service_name },
		{ kept.trace, hop.id, "request", "lua", "cluster_node" })
	test.equal(node.process:output():match "[^\n]*<TRACE[^\n]*", nil)
end)

test.case("a traceparent comes in by HTTP, and goes out by it", function()
	local seen = {}
	local server = httpd.listen("127.0.0.1:0", function(request)
		if request.path == "/out" then
			seen[#seen + 1] = request.header.traceparent or false
			return 200, "ok"
		end
		trace.continue(request.header.traceparent)
		local response = http.new():request {
			url = ("http://%s/out"):format(request.header.host), header = { traceparent = trace.parent() },
		}
		return response.status, response:body()
	end)
	test.defer(server.close, server)
	trace.start { rate = 1, services = "nobody*" }
	local url = ("http://127.0.0.1:%d/in"):format(server.port)
	local id = new_id()
	local sent = { ("00-%s-%s-01"):format(id, ROOT), ("00-%s-%s-00"):format(new_id(), ROOT), "rubbish" }
	for _, parent in ipairs(sent) do
		test.equal(http.new():request { url = url, header = { traceparent = parent } }.status, 200)
	end
	test.equal(#seen, 3)
	test.matches(seen[1], "^00%-" .. id .. "%-%x+%-01$")
	test.different(seen[1], sent[1])
	-- What is not sampled, and what is none, begins nothing.
	test.equal({ seen[2], seen[3] }, { false, false })
	trace.stop()
end)

test.run()

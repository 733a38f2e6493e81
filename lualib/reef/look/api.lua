-- The endpoints below /api/, as docs/page.md describes them: what each answers, and which parameters it takes.
local changes = require "reef.look.changes"
local fault = require "reef.look.fault"
local history = require "reef.look.history"
local json = require "reef.json"
local lines = require "reef.look.lines"
local parts = require "reef.look.parts"
local process = require "reef.look.process"
local profile = require "reef.profile.http"
local service = require "reef.look.service"
local services = require "reef.look.services"
local slow = require "reef.look.slow"
local sockets = require "reef.look.sockets"
local sorted = require "reef.base.sorted"
local url = require "reef.http.url"

local NONE <const> = {}

local api = {}

---@class reef.look.route
---@field parameters table<string, boolean>
---@field answer fun(parameters: table<string, string>, server: table): table

---What can be asked for. Others may add to it.
---@type table<string, reef.look.route>
api.routes = {
	["/api/process"] = { parameters = process.parameters, answer = process.look },
	["/api/services"] = { parameters = services.parameters, answer = services.list },
	["/api/service"] = { parameters = service.parameters, answer = service.look },
	["/api/slow"] = { parameters = slow.parameters, answer = slow.list },
	["/api/pools"] = { parameters = NONE, answer = parts.pools },
	["/api/sockets"] = { parameters = sockets.parameters, answer = sockets.list },
	["/api/shared"] = { parameters = NONE, answer = parts.shared },
	["/api/cluster"] = { parameters = NONE, answer = parts.cluster },
	["/api/log"] = { parameters = lines.parameters, answer = lines.list },
	["/api/metrics"] = { parameters = history.parameters, answer = history.list },
}

api.changes = changes.routes

-- What there is: the parameters of each endpoint.
api.routes["/api"] = { parameters = NONE, answer = function()
	local endpoints = {}
	for path, route in pairs(api.routes) do
		endpoints[path] = { method = "GET", parameters = json.list(sorted.keys(route.parameters)) }
	end
	for path, route in pairs(api.changes) do
		endpoints[path] = { method = "POST", parameters = json.list(sorted.keys(route.parameters)) }
	end
	-- What answers no object is served elsewhere.
	endpoints["/api/live"] = { method = "GET", parameters = json.list {} }
	endpoints["/api/profile"] = { method = "GET", parameters = json.list(sorted.keys(profile.parameters)) }
	return { endpoints = endpoints }
end }

-- The query's parameters, of which each is known and given once.
local function parameters_of(query, known)
	local parameters = url.parse_query(query or "")
	for _, name in ipairs(sorted.keys(parameters)) do
		if not known[name] then
			fault.raise(400, "there is no parameter %s here%s", name,
				next(known) and "; there are " .. table.concat(sorted.keys(known), ", ") or "")
		elseif type(parameters[name]) == "table" then
			fault.raise(400, "the parameter %s is given more than once", name)
		end
	end
	return parameters
end

-- Runs f; what it raises becomes an answer.
local function answered(f, ...)
	local ok, body = xpcall(f, function(err)
		return fault.is(err) and err or debug.traceback(tostring(err))
	end, ...)
	if ok then
		return 200, body
	elseif fault.is(body) then
		return body.status, { error = body.why }
	end
	error(body, 0)
end

---@param target string  path and query
---@param server table  { changes = boolean, not_ready = fun(): string[] }
---@return integer|nil status  nil: there is no such path
---@return table body
function api.answer(target, server)
	local path, query = target:match "^([^?]*)%??(.*)$"
	local route = api.routes[path]
	if not route then
		return nil, NONE
	end
	return answered(function()
		return route.answer(parameters_of(query, route.parameters), server)
	end)
end

---@param target string
---@param peer string  who asks
---@return integer status
---@return table body
function api.change(target, peer)
	local path, query = target:match "^([^?]*)%??(.*)$"
	local route = api.changes[path]
	return answered(function()
		return route.run(parameters_of(query, route.parameters), peer)
	end)
end

api.encode = json.encode

return api

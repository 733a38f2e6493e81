-- Both ends of reef.http for a case: they end with it.
local client = require "reef.http.client"
local http = require "reef.http.server"
local test = require "test"

local M = {}

---A server on a port of its own; `url` is its address.
---@param handler function
---@param options? table of reef.http.server
function M.serve(handler, options)
	local server = http.listen("127.0.0.1:0", handler, options)
	test.defer(server.close, server)
	server.url = ("http://127.0.0.1:%d"):format(server.port)
	return server
end

---@param options? table of reef.http.client
function M.client(options)
	local c = client.new(options)
	test.defer(c.close, c)
	return c
end

return M

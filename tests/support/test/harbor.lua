-- Nodes of a harbor network for tests: real ones, and bytes that stand for one.

local cluster = require "skynet.cluster"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local harbor = {}

local CONFIG <const> = [[
thread = 2
harbor = %d
address = "127.0.0.1:%d"
master = "127.0.0.1:%d"
%s
luaservice = "%s/tests/services/?.lua"
start = "harbor_node"
port = %d
%s
]]

-- ---- real nodes ----

---@class test.harbor.node
---@field process test.process
---@field port integer where other slaves connect
local node = {}
node.__index = node

---Starts a node; with `ready` false it does not wait for it.
---@param id integer
---@param master integer port
---@param options? {standalone: boolean?, ready: boolean?, more: string?}
---@return test.harbor.node
function harbor.start(id, master, options)
	options = options or {}
	local self = setmetatable({ id = id, port = process.free_port(), cluster = process.free_port() }, node)
	local config = process.path "config"
	local file <close> = assert(io.open(config, "w"))
	file:write(CONFIG:format(id, self.port, master, options.standalone and
		('standalone = "127.0.0.1:%d"'):format(master) or "", test.root, self.cluster, options.more or ""))
	file:close()
	self.process = process.start { test.reef, config }
	self.name = ("n%d"):format(self.cluster)
	if options.ready ~= false then
		self:ready()
	end
	return self
end

function node:ready()
	self.process:expect("ready", 60)
	cluster.reload { [self.name] = "127.0.0.1:" .. self.cluster }
end

---A call of its main service, from outside the network.
function node:call(...)
	return cluster.call(self.name, "@main", ...)
end

---Something that it does.
function node:run(...)
	return cluster.call(self.name, "@main", "do", ...)
end

-- ---- bytes ----

---@class test.harbor.wire
---@field id integer
local wire = {}
wire.__index = wire

---@param id integer of a socket
---@return test.harbor.wire
function harbor.wire(id)
	return setmetatable({ id = id }, wire)
end

---@param port integer
---@return test.harbor.wire
function harbor.connect(port)
	local id = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, id)
	return harbor.wire(id)
end

---Listens; wires come in the order in which they were accepted.
---@return integer port
---@return fun(): test.harbor.wire accept
function harbor.listen()
	local accepted, waiting = {}, nil
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(fd)
		socket.start(fd)
		accepted[#accepted + 1] = harbor.wire(fd)
		if waiting then
			skynet.wakeup(waiting)
		end
	end)
	test.defer(socket.close, id)
	return port, function()
		return test.within(20, function()
			while not accepted[1] do
				waiting = coroutine.running()
				skynet.wait(waiting)
			end
			return table.remove(accepted, 1)
		end)
	end
end

function wire:write(text)
	socket.write(self.id, text)
end

---Exactly that many bytes; fewer when the other side has ended.
function wire:read(n)
	return test.within(20, function()
		local data, rest = socket.read(self.id, n)
		return data or rest
	end)
end

function wire:tell(...)
	local text = skynet.packstring(...)
	self:write(string.char(#text) .. text)
end

---The next tuple, nil at the end.
function wire:told()
	local head = self:read(1)
	if head == "" then
		return nil
	end
	return { skynet.unpack(self:read(head:byte())) }
end

---The next tuple that begins with that word.
function wire:told_of(word)
	repeat
		local tuple = assert(self:told(), "the connection has ended before a " .. word)
		if tuple[1] == word then
			return tuple
		end
	until false
end

function wire:message(source, destination, kind, session, data)
	self:write(string.pack(">I4", #data + 12) .. data
		.. string.pack(">I4I4I4", source, destination & 0xffffff | kind << 24, session))
end

---The next message: { source, destination, kind, session, data }, nil at the end.
function wire:received()
	local head = self:read(4)
	if #head < 4 then
		return nil
	end
	local body = self:read((string.unpack(">I4", head)))
	local source, destination, session = string.unpack(">I4I4I4", body, #body - 11)
	return { source, destination & 0xffffff, destination >> 24, session, body:sub(1, -13) }
end

return harbor

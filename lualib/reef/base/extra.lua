-- The part of `skynet` that most services never use. Loaded when something is asked of the table that is not there.

local core = require "skynet.core"

---@param skynet table
return function(skynet)
	local add = {}

	---The first words of an error, without its traceback.
	local function first_words(text)
		return (text:gsub("\nstack traceback:.*", ""))
	end

	-- What became of a start function that raised.
	function add.start_failed(reason)
		skynet.error("init service failed: " .. reason)
		require("skynet.core").failed()
		skynet.send(".launcher", "lua", "ERROR", first_words(reason))
		skynet.exit()
	end

	-- ---- parallel calls ----

	local request = {}
	request.__index = request

	function request:add(object)
		assert(type(object) == "table", "a request is a table {address, type, ...}")
		self[#self + 1] = object
		return self
	end

	request.__call = request.add

	local function send_all(self)
		local me = self
		for i = 1, #self do
			local object = self[i]
			local session = core.post(function(ok, ...)
				me.sessions[object] = nil
				me.pending = me.pending - 1
				table.insert(me.arrived, { object, ok and table.pack(...) })
				skynet.wakeup(me)
			end, object[1], object[2], table.unpack(object, 3, object.n))
			if session then
				self.sessions[object] = session
				self.pending = self.pending + 1
			else
				table.insert(self.refused, object)
			end
		end
	end

	function request:close()
		for object, session in pairs(self.sessions or {}) do
			core.forget(session)
			self.sessions[object] = nil
		end
		self.pending = 0
	end

	request.__close = request.close

	local function next_response(self)
		local refused = table.remove(self.refused, 1)
		if refused then
			return refused, nil
		end
		while not self.arrived[1] do
			if self.pending == 0 then
				return
			end
			if self.deadline then
				local left = self.deadline - skynet.now()
				if left <= 0 then
					self.timeout = true
					self:close()
					return
				end
				skynet.sleep(left, self)
			else
				skynet.wait(self)
			end
		end
		local response = table.remove(self.arrived, 1)
		return response[1], response[2]
	end

	---@param timeout? integer cs
	function request:select(timeout)
		assert(not self.sessions, "a request can be selected once")
		self.sessions, self.arrived, self.refused, self.pending = {}, {}, {}, 0
		self.deadline = timeout and skynet.now() + timeout
		send_all(self)
		return next_response, self, nil, self
	end

	function add.request(object)
		local self = setmetatable({}, request)
		if object then
			self:add(object)
		end
		return self
	end

	-- ---- tasks ----

	local function session_of(thread)
		return core.tasks()[thread]
	end

	local origins = setmetatable({}, { __mode = "k" }) ---@type table<thread, string> where timers were set

	local function traceback(thread)
		return origins[thread] or debug.traceback(thread)
	end

	local function describe(thread, session)
		return ("%s session: %d"):format(thread, session)
	end

	---@param what? table|integer|thread|"init"
	function add.task(what)
		local kind = type(what)
		if what == nil then
			return core.taskcount()
		elseif what == "init" then
			return skynet.init_thread and debug.traceback(skynet.init_thread)
		elseif kind == "table" then
			for thread, session in pairs(core.tasks()) do
				what[describe(thread, session)] = traceback(thread)
			end
			return what
		elseif kind == "number" then
			for thread, session in pairs(core.tasks()) do
				if session == what then
					return traceback(thread)
				end
			end
			return "No session"
		elseif kind == "thread" then
			return session_of(what)
		end
		error("skynet.task: nil, a table, a session, a thread or \"init\" expected, got a " .. kind)
	end

	function add.uniqtask()
		local groups = {}
		for thread, session in pairs(core.tasks()) do
			local stack = traceback(thread)
			groups[stack] = groups[stack] or {}
			table.insert(groups[stack], session)
		end
		local result = {}
		for stack, sessions in pairs(groups) do
			table.sort(sessions)
			result[("%d\tsessions:[%s]\n"):format(#sessions, table.concat(sessions, ","))] = stack
		end
		return result
	end

	-- ---- tracing ----

	add.tracetag = core.tracetag
	add.traceproto = core.traceproto
	add.tracelog = core.trace

	---Traces what the running coroutine asks of others.
	---@param info? string
	function add.trace(info)
		local tag = core.tracetag()
		skynet.error("TRACE", tag)
		if tag ~= false then
			core.trace(core.newtag(), info and "trace " .. info or "trace")
		end
	end

	---A rawcall in the name of a tag that came from elsewhere.
	function add.tracecall(tag, address, kind, message, size)
		local plain = tag:match "^%S+" or tag -- what stands behind it says whose part of which trace this is
		local quiet = tag:find " quiet$" -- it leaves no lines in the log
		if not quiet then
			core.trace(plain, "tracecall begin")
		end
		core.send(address, skynet.PTYPE_TRACE, 0, tag)
		local reply, reply_size = skynet.rawcall(address, kind, message, size)
		if not quiet then
			core.trace(plain, "tracecall end")
		end
		return reply, reply_size
	end

	local timeout = skynet.timeout

	---Remembers where timers are set, for lists of tasks.
	---@param on boolean
	function add.trace_timeout(on)
		skynet.timeout = not on and timeout or function(cs, f)
			local thread = timeout(cs, f)
			origins[thread] = debug.traceback(("timer of %d cs from:"):format(cs), 2)
			return thread
		end
	end

	-- ---- the rest ----

	local info

	---@param f? fun(...): ...
	---@return function?
	function add.info_func(f)
		if f ~= nil then
			assert(type(f) == "function", "info_func needs a function")
			info = f
		end
		return info
	end

	function add.memlimit(bytes)
		core.memlimit(bytes)
		skynet.memlimit = nil
	end

	add.cache = require "skynet.codecache"

	add._proto = setmetatable({}, {
		__index = function(_, key)
			return core.protocol(key)
		end,
		__pairs = function()
			return coroutine.wrap(function()
				for id = 0, 255 do
					local protocol = core.protocol(id)
					if protocol then
						coroutine.yield(id, protocol)
						coroutine.yield(protocol.name, protocol)
					end
				end
			end)
		end,
	})

	for name, value in pairs(add) do
		if rawget(skynet, name) == nil then
			skynet[name] = value
		end
	end
end

---@meta skynet
-- What editors (LuaLS) should know of `skynet`: the functions that are written in C, and those that are loaded on first
-- use. This file is never run.

---@alias skynet.address integer|string a number, ":hex", ".local_name" or a global name
---@alias skynet.cs integer hundredths of a second

---@class skynet
---@field PTYPE_TEXT integer
---@field PTYPE_RESPONSE integer
---@field PTYPE_MULTICAST integer
---@field PTYPE_CLIENT integer
---@field PTYPE_SYSTEM integer
---@field PTYPE_HARBOR integer
---@field PTYPE_SOCKET integer
---@field PTYPE_ERROR integer
---@field PTYPE_QUEUE integer
---@field PTYPE_DEBUG integer
---@field PTYPE_LUA integer
---@field PTYPE_SNAX integer
---@field PTYPE_TRACE integer
---@field cache table the module skynet.codecache
---@field pcall fun(f: function, ...: any): boolean, ... deprecated: use pcall
local skynet = {}

-- ---- sending ----

---Sends a request that expects no answer.
---@param address skynet.address
---@param kind string|integer a protocol's name or number
---@param ... any what the protocol's pack takes
---@return integer? zero nil: there is no such service
function skynet.send(address, kind, ...) end

---@param address skynet.address
---@param kind string|integer
---@param message string|lightuserdata whose memory the message takes
---@param size? integer of a lightuserdata
---@return integer? zero
function skynet.rawsend(address, kind, message, size) end

---Sends a request and waits for its answer. Raises `call to invalid address`, or `call failed: <reason>`.
---@param address skynet.address
---@param kind string|integer
---@param ... any
---@return any ...
function skynet.call(address, kind, ...) end

---As call, in bytes. They are valid until the coroutine waits again.
---@param address skynet.address
---@param kind string|integer
---@param message string|lightuserdata
---@param size? integer
---@return lightuserdata message
---@return integer size
function skynet.rawcall(address, kind, message, size) end

---@param tag string
---@param address skynet.address
---@param kind string|integer
---@param message string|lightuserdata
---@param size? integer
---@return lightuserdata message
---@return integer size
function skynet.tracecall(tag, address, kind, message, size) end

---Sends in the name of another service, with a session of one's choice.
---@param address skynet.address
---@param source skynet.address
---@param kind string|integer
---@param session integer
---@param message string|lightuserdata
---@param size? integer
---@return integer? zero
function skynet.redirect(address, source, kind, session, message, size) end

-- ---- answering ----

---Answers the current request with bytes. Raises `No session` when there is nothing to answer.
---@param message? string|lightuserdata
---@param size? integer
---@return boolean delivered false: it was a send, or the caller is gone
function skynet.ret(message, size) end

---@param ... any
---@return boolean delivered
function skynet.retpack(...) end

---Takes the duty to answer the current request out of its coroutine.
---@param pack? fun(...: any): string|lightuserdata, integer?
---@return fun(ok: boolean|"TEST", ...: any): boolean answer (true, values...), (false, reason), or ask whether it can still arrive
function skynet.response(pack) end

---Forgets the session of the current request: somebody else answers it, or nobody.
function skynet.ignoreret() end

---@return integer? session of the current request, nil once it is answered
---@return integer? source
function skynet.context() end

---@return integer session a new one
function skynet.genid() end

-- ---- protocols ----

---@class skynet.protocol
---@field name string
---@field id integer 0 to 255
---@field pack? fun(...: any): string|lightuserdata, integer?
---@field unpack? fun(message: lightuserdata, size: integer): any must copy what it keeps
---@field dispatch? fun(session: integer, source: integer, ...: any)
---@field trace? boolean

---@param protocol skynet.protocol
function skynet.register_protocol(protocol) end

---Sets or tells the handler of a protocol's messages; each runs in a coroutine of its own.
---@param kind string|integer
---@param handler? fun(session: integer, source: integer, ...: any)
---@return function? before
function skynet.dispatch(kind, handler) end

---@param hook? fun(session: integer, source: integer, message: lightuserdata, size: integer, kind: integer)
---@return function before it may be called by the new one; the first logs the message and raises
function skynet.dispatch_unknown_request(hook) end

---@param hook? fun(session: integer, source: integer, message: lightuserdata, size: integer)
---@return function before it may be called by the new one; the first logs the message and raises
function skynet.dispatch_unknown_response(hook) end

---The dispatcher itself, for services that take their messages raw. The bytes stay the caller's.
---@param kind integer
---@param message lightuserdata?
---@param size integer
---@param session integer
---@param source integer
function skynet.dispatch_message(kind, message, size, session, source) end

-- ---- coroutines and time ----

---Runs f(...) in a coroutine of its own when the current turn is over.
---@param f fun(...: any)
---@param ... any
---@return thread
function skynet.fork(f, ...) end

---Runs f once, after that time.
---@param cs skynet.cs
---@param f fun()
---@return thread
function skynet.timeout(cs, f) end

---@param cs skynet.cs
---@param token? any what wakeup may name; the coroutine by default
---@return "BREAK"? woken before its time
function skynet.sleep(cs, token) end

---Lets what waits in the mailbox go first.
function skynet.yield() end

---Waits until somebody calls wakeup(token).
---@param token? any the coroutine by default
function skynet.wait(token) end

---@param token any
---@return boolean? woken nil: nobody waits for it
function skynet.wakeup(token) end

---Closes a coroutine that waits; its request fails.
---@param thread thread|string itself, or a part of its name
---@return thread? killed
function skynet.killthread(thread) end

---@return skynet.cs since the start of the process
function skynet.now() end

---@return integer seconds when the process was started, Unix time
function skynet.starttime() end

---@return number seconds Unix time
function skynet.time() end

---@return integer nanoseconds monotonic
function skynet.hpc() end

-- ---- parallel calls ----

---@class skynet.request
---@field timeout? boolean the select ended by its time-out
---@field add fun(self: skynet.request, request: table): skynet.request
---@field select fun(self: skynet.request, timeout?: skynet.cs): (fun(): table?, table|false|nil)
---@field close fun(self: skynet.request)
---@operator call(table): skynet.request

---@param request? table {address, type, ...}
---@return skynet.request
function skynet.request(request) end

-- ---- who and where ----

---@return integer address
function skynet.self() end

---@param name string with its dot
---@return integer? address
function skynet.localname(name) end

---@param address any
---@return string text
function skynet.address(address) end

---@param address integer
---@return integer node
---@return boolean is_remote
function skynet.harbor(address) end

---@param key string
---@return string?
function skynet.getenv(key) end

---@param key string a new one: values are never changed
---@param value string|number|boolean
function skynet.setenv(key, value) end

---Writes a line to the log.
---@param ... any
function skynet.error(...) end

-- ---- services ----

---Locally, as if that service had died.
---@param address skynet.address
function skynet.term(address) end

-- ---- statistics and tasks ----

---@param what "mqlen"|"message"|"cpu"|"time"|"endless"|string
---@return number
function skynet.stat(what) end

---@return integer
function skynet.mqlen() end

---Has the watchdog complained since this was last asked?
---@return boolean
function skynet.endless() end

---@param what? table|integer|thread|"init"
---@return any
function skynet.task(what) end

---@return table<string, string>
function skynet.uniqtask() end

---@param f? fun(...: any): ...
---@return function?
function skynet.info_func(f) end

---Limits the memory of the service's VM. In the main chunk, once.
---@param bytes integer
function skynet.memlimit(bytes) end

-- ---- tracing ----

---@param info? string
function skynet.trace(info) end

---@return string|false|nil
function skynet.tracetag() end

---@param kind string|integer
---@param on? boolean true: every message; false: none; nil: those of traced requests
function skynet.traceproto(kind, on) end

---@param on boolean
function skynet.trace_timeout(on) end

---@param tag string
---@param text string
---@param where? thread|integer
function skynet.tracelog(tag, text, where) end

-- ---- values as bytes ----

---@param ... any nil, booleans, numbers, strings, lightuserdata and tables of these
---@return lightuserdata message for send, ret or trash
---@return integer size
function skynet.pack(...) end

---@param ... any
---@return string
function skynet.packstring(...) end

---@param message string|lightuserdata|nil
---@param size? integer
---@return any ...
function skynet.unpack(message, size) end

---@param message lightuserdata?
---@param size? integer
---@return string?
function skynet.tostring(message, size) end

---Frees what pack made.
---@param message string|lightuserdata
---@param size? integer
function skynet.trash(message, size) end

return skynet

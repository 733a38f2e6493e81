-- Letters for readers who may not be there. Times are in seconds; see docs/mail.md.
--
-- They are kept in a store, counted, fetched, told of without polling.
--
--     local box = mail.open { store = "redis", target = "redis://127.0.0.1:6379" }
--     box:post("player:7", { text = "you have won", gold = 10 })               -- anywhere in the process
--     box:watch("player:7", function(count) ... end)                           -- where the player is
--     for _, letter in ipairs(box:fetch "player:7") do ... box:done("player:7", letter.id) end
local crypt = require "skynet.crypt"
local errors = require "reef.channel.error"
local options = require "reef.options"
local skynet = require "skynet"

local mail = {}

---@class reef.mail.options
---@field store string          "memory", "redis", "mongo", "mysql", "postgres", or a module of yours
---@field target any            of the store: what the pool of that kind takes
---@field pool table|nil        options of that pool
---@field name string|nil       which letters: each name has its own; "mail"
---@field timeout number|nil    seconds for everything that is asked; 10

---@class reef.mail.letter
---@field id string
---@field at number             wall-clock second
---@field body any

---@class reef.mail.box
---@field name string
---@field timeout number
---@field centre integer
local box = {}
box.__index = box

local KNOWN <const> = { store = true, target = true, pool = true, name = true, timeout = true }
local PAUSE <const> = 100 -- cs until a watcher asks again when the centre or the store could not answer
local DEFAULT_LIMIT <const> = 100

-- The centre's answer: true and results, or false and an error, which keeps its fields.
local function ask(self, command, ...)
	local answer = table.pack(skynet.call(self.centre, "lua", command, self.name, ...))
	if not answer[1] then
		error(type(answer[2]) == "table" and errors.new(answer[2]) or answer[2], 0)
	end
	return table.unpack(answer, 2, answer.n)
end

---@param given reef.mail.options
---@return reef.mail.box
function mail.open(given)
	options.check("mail.open", given, KNOWN)
	if type(given.store) ~= "string" then
		error("mail.open: store is the name of one, not a " .. type(given.store))
	end
	local self = setmetatable({ name = given.name or "mail", timeout = given.timeout or 10,
		centre = skynet.uniqueservice "reef_mail" }, box)
	ask(self, "OPEN", given.store, given.target, given.pool, self.timeout)
	return self
end

local function check_reader(what, reader)
	if type(reader) ~= "string" or reader == "" then
		local given = reader == "" and "an empty one" or "a " .. type(reader)
		error(("mail: %s: a reader is a text, not %s"):format(what, given))
	end
end

---The same box with another time for what is asked.
---@param seconds number
---@return reef.mail.box
function box:with_timeout(seconds)
	return setmetatable({ name = self.name, centre = self.centre, timeout = seconds }, box)
end

---Keeps a letter. It is there exactly once when this returns. When it raises, the error's `outcome` says whether it
---may be there; posting again with the same id is safe as long as the letter has not been read.
---@param reader string
---@param body any        whatever a message can carry
---@param settings { id: string|nil, timeout: number|nil }|nil
---@return string id
function box:post(reader, body, settings)
	check_reader("post", reader)
	settings = settings or {}
	local id = settings.id or crypt.hexencode(crypt.randomkey() .. crypt.randomkey())
	ask(self, "POST", reader, id, skynet.packstring(body), settings.timeout or self.timeout)
	return id
end

---How many letters wait for a reader.
---@param reader string
---@return integer
function box:count(reader)
	check_reader("count", reader)
	return ask(self, "COUNT", reader, self.timeout)
end

---The oldest letters of a reader, in their order. They stay until they are done.
---@param reader string
---@param limit integer|nil  at most so many; 100
---@return reef.mail.letter[]
function box:fetch(reader, limit)
	check_reader("fetch", reader)
	local letters = ask(self, "FETCH", reader, limit or DEFAULT_LIMIT, self.timeout)
	for i, letter in ipairs(letters) do
		letters[i] = { id = letter[1], at = letter[2] / 1e6, body = skynet.unpack(letter[3]) }
	end
	return letters
end

---These letters have been read: they go.
---@param reader string
---@param ids string|string[]
---@return integer count  how many there were
function box:done(reader, ids)
	check_reader("done", reader)
	return ask(self, "DONE", reader, type(ids) == "table" and ids or { ids }, self.timeout)
end

---@class reef.mail.watcher
---@field open boolean
local watcher = {}
watcher.__index = watcher

local last_watcher = 0

local function report(err)
	skynet.error("mail: the function of a watcher has failed: " .. tostring(err))
end

-- Waits for news and tells of them; after a failure it looks by itself.
local function keep_telling(self, w, reader, f)
	local version
	while w.open do
		local ok, news = pcall(skynet.call, self.centre, "lua", "WAIT", self.name, reader, version, w.number)
		local counted, count
		if ok and w.open then
			counted, count = pcall(box.count, self, reader)
		end
		if not w.open then
			return
		elseif counted then
			version = news
			xpcall(f, report, count)
		else
			version = nil
			skynet.sleep(PAUSE, w)
		end
	end
end

---Calls f(count) now, and again after letters have been posted. Of several posts in a row the last one is told of.
---@param reader string
---@param f fun(count: integer)
---@return reef.mail.watcher
function box:watch(reader, f)
	check_reader("watch", reader)
	last_watcher = last_watcher + 1
	local w = setmetatable({ open = true, number = last_watcher, box = self, reader = reader }, watcher)
	skynet.fork(keep_telling, self, w, reader, f)
	return w
end

---f is not called any more.
function watcher:close()
	if self.open then
		self.open = false
		skynet.wakeup(self)
		pcall(skynet.send, self.box.centre, "lua", "LEAVE", self.box.name, self.reader, self.number)
	end
end

return mail

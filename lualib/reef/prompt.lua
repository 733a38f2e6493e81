-- The prompt of a command: lines that somebody types, with editing and history on a terminal (libedit, if it was there
-- when Reef was built), or plain lines from a file or a pipe. One prompt in a process, used by one coroutine; others
-- may `say` something meanwhile.
local editline = require "reef.editline"
local fd = require "reef.fd"
local programs = require "reef.programs"
local skynet = require "skynet"
local terminal = require "reef.terminal"

local FOREVER = 360000 -- hundredths of a second; then the wait begins anew
local LONGEST = 1 << 20 -- bytes of a line
local MOST_HISTORY = 1000 -- lines that are kept

---@class reef.prompt
---@field on_terminal boolean
local prompt = {}
prompt.__index = prompt

-- The file of the history, in a directory that is made if it is not there; nil: there is no place.
local function history_file(name)
	local state, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
	if not state or state:sub(1, 1) ~= "/" then
		if not home or home == "" then
			return nil
		end
		programs.mkdir(home .. "/.local")
		state = home .. "/.local/state"
	end
	programs.mkdir(state)
	programs.mkdir(state .. "/reef")
	return ("%s/reef/%s_history"):format(state, name)
end

---@param name string      of the command, for its history
---@param complete fun(word: string, before: string): string[]  what a word may become
---@return reef.prompt
function prompt.new(name, complete)
	local on_terminal = terminal.is_terminal(0) and terminal.is_terminal(1)
	local self = setmetatable({ on_terminal = on_terminal, edits = on_terminal and editline.available, rest = "" }, prompt)
	self.complete = function(word, before)
		return complete(word, before)
	end
	if self.edits then
		self.history = history_file(name)
		if self.history then
			editline.load(self.history)
		end
	end
	return self
end

local function wait()
	local ready, why
	repeat
		ready, why = fd.wait(0, "r", FOREVER)
	until why ~= "timeout"
	return ready
end

local function edited(self, text)
	self.shown = text
	editline.start(text)
	while true do
		wait()
		local line = editline.feed(self.complete)
		if line ~= nil then
			self.shown = nil
			if not line then
				io.write "\n"
				return nil
			elseif line:find "%S" and line ~= self.last then
				editline.remember(line)
				if self.history then
					editline.save(self.history, MOST_HISTORY)
				end
				self.last = line
			end
			return line
		end
	end
end

local function plain(self, text)
	if self.on_terminal then
		io.write(text)
		io.flush()
	end
	while not self.over do
		local line, rest = self.rest:match "^([^\n]*)\n(.*)$"
		if line then
			self.rest = rest
			return (line:gsub("\r$", ""))
		end
		wait() -- a file is always ready: there the wait is refused
		local more = terminal.read(4096)
		if not more or more == "" then
			self.over = true
		else
			self.rest = self.rest .. more
			if #self.rest > LONGEST then
				error(("a line of more than %d bytes"):format(LONGEST), 0)
			end
		end
	end
	local line = self.rest
	self.rest = ""
	return line ~= "" and line or nil
end

---The next line; nil at the end.
---@param text string  what stands before it, on a terminal
---@return string|nil
function prompt:line(text)
	if self.edits then
		return edited(self, text)
	end
	return plain(self, text)
end

---Writes lines, above the one that is being typed.
---@param text string
function prompt:say(text)
	local typed = self.shown and editline.pause()
	io.write(typed and "\r\27[K" or "", text, "\n")
	io.flush()
	if typed then
		editline.start(self.shown, typed)
	end
end

---Sleeps, but not longer than until something is typed.
---@param time integer 1/100 s
---@return boolean typed
function prompt.pause(time)
	local ready, why = fd.wait(0, "r", time)
	if not ready and why ~= "timeout" then
		skynet.sleep(time)
	end
	return ready ~= nil
end

return prompt

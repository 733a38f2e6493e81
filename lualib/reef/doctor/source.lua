-- What a source file asks for, from its tokens: modules, services, members of modules, protocols. Nothing is run; what
-- is put together at run time is noted as such.

local lexer = require "reef.doctor.lexer"

local source = {}

---@class reef.doctor.need
---@field kind "module"|"file"|"service"|"snax"|"c_service"
---@field name? string nil: made at run time
---@field line integer
---@field text string as it is written
---@field optional? boolean within pcall
---@field prefix? string what a name that is made at run time begins with

---@class reef.doctor.facts
---@field needs reef.doctor.need[]
---@field uses { module: string, member: string, line: integer, assigned: boolean }[]
---@field protocols { name?: string, id?: string, line: integer }[]
---@field paths string[] patterns that are put into package.path or package.cpath
---@field changes_paths boolean
---@field reason? string why it does not compile

---Functions that take the name of a service: what kind, and whether it may come after `true`.
local launches = {
	["skynet.newservice"] = "service", ["skynet.uniqueservice"] = "service", ["skynet.queryservice"] = "service",
	["skynet.launch"] = "c_service",
	["skynet.snax.newservice"] = "snax", ["skynet.snax.rawnewservice"] = "snax", ["skynet.snax.uniqueservice"] = "snax",
	["skynet.snax.globalservice"] = "snax", ["skynet.snax.queryservice"] = "snax", ["skynet.snax.queryglobal"] = "snax",
}

---Names that are used without being required: a preload or another file of the service may have set them.
local common = { skynet = "skynet", snax = "skynet.snax" }

---What an argument that is no literal looks like, for the reader.
local function written(tokens, from)
	local words, depth = {}, 0
	for i = from, math.min(from + 12, #tokens) do
		local token = tokens[i]
		if not tokens.strings[i] then
			if depth == 0 and (token == ")" or token == ",") then
				break
			end
			depth = depth + ((token == "(" or token == "{") and 1 or (token == ")" or token == "}") and -1 or 0)
		end
		words[#words + 1] = tokens.strings[i] and ('"%s"'):format(token) or token
	end
	return table.concat(words):sub(1, 60)
end

---A call with its first argument, for the reader.
local function spelled(called, name, tokens, at)
	return name and ("%s \"%s\""):format(called, name) or ("%s(%s)"):format(called, written(tokens, at))
end

---The literal at a place where an argument begins, if it is the whole argument.
local function literal(tokens, at, in_parentheses)
	if not tokens.strings[at] then
		return nil
	end
	local after = tokens[at + 1]
	if in_parentheses and not (not tokens.strings[at + 1] and (after == ")" or after == ",")) then
		return nil
	end
	return tokens[at]
end

---@class reef.doctor.reader
---@field tokens reef.doctor.tokens
---@field facts reef.doctor.facts
---@field alias table<string, string> local names of modules
local reader = {}
reader.__index = reader

function reader:need(kind, name, at, fields)
	local need = { kind = kind, name = name, line = self.tokens.lines[at] }
	for key, value in pairs(fields) do
		need[key] = value
	end
	table.insert(self.facts.needs, need)
end

---A member of a module is named at `at`, where its last word stands.
function reader:use(module, member, at)
	local tokens = self.tokens
	table.insert(self.facts.uses, { module = module, member = member, line = tokens.lines[at],
		assigned = (tokens[at + 1] == "=" and not tokens.strings[at + 1])
			or tokens[at - 3] == "function" })
	local kind = launches[(module == "skynet.manager" and "skynet" or module) .. "." .. member]
	if kind then
		self:launch(kind, module .. "." .. member, at + 1)
	elseif member == "register_protocol" and (tokens[at + 1] == "{" or tokens[at + 2] == "{") then
		self:protocol(at)
	end
end

---A service's name is the argument that begins at `at`.
function reader:launch(kind, called, at)
	local tokens = self.tokens
	local in_parentheses = tokens[at] == "(" and not tokens.strings[at]
	if not in_parentheses and not tokens.strings[at] then
		return -- the function itself is passed on
	end
	local first = in_parentheses and at + 1 or at
	if tokens[first] == "true" and tokens[first + 1] == "," then
		first = first + 2
	end
	local name = literal(tokens, first, in_parentheses)
	local short = called:match "[^.]+%.[^.]+$"
	if kind == "c_service" and name == "snlua" then
		local argument = literal(tokens, first + 2, in_parentheses)
		return self:need("service", argument and argument:match "%S+", at,
			{ text = spelled(short .. " snlua", argument, tokens, first + 2) })
	elseif not name and tokens[first] == "SERVICE_NAME" then
		return
	end
	self:need(kind, name and (name:match "%S+" or ""), at, { text = spelled(short, name, tokens, first) })
end

function reader:protocol(at)
	local tokens, protocol, depth = self.tokens, { line = self.tokens.lines[at] }, 0
	for i = at + 1, math.min(at + 400, #tokens) do
		local token = tokens[i]
		if not tokens.strings[i] then
			depth = depth + (token == "{" and 1 or token == "}" and -1 or 0)
			if depth == 0 and token == "}" then
				break
			elseif depth == 1 and tokens[i + 1] == "=" and token == "name" then
				protocol.name = tokens.strings[i + 2] and tokens[i + 2] or nil
			elseif depth == 1 and tokens[i + 1] == "=" and token == "id" then
				protocol.id = tokens[i + 3] == "." and tokens[i + 4] or tokens[i + 2]
			end
		end
	end
	table.insert(self.facts.protocols, protocol)
end

---`require` stands at i.
function reader:required(i)
	local tokens, strings = self.tokens, self.tokens.strings
	local before = not strings[i - 1] and tokens[i - 1]
	if before == "." or before == ":" or before == "function" then
		return
	end
	local optional = before == "(" and (tokens[i - 2] == "pcall" or tokens[i - 2] == "xpcall")
	if optional and tokens[i + 1] == "," then
		local name = literal(tokens, i + 2, true)
		return self:need("module", name, i, { text = spelled("require", name, tokens, i + 2), optional = true })
	end
	local in_parentheses = tokens[i + 1] == "(" and not strings[i + 1]
	if not in_parentheses and not strings[i + 1] then
		return
	end
	local at = in_parentheses and i + 2 or i + 1
	local name = literal(tokens, at, in_parentheses)
	local text = spelled("require", name, tokens, at)
	if not name then
		local prefix = strings[at] and tokens[at + 1] == ".." and tokens[at] or nil
		return self:need("module", nil, i, { text = text, prefix = prefix })
	end
	self:need("module", name, i, { text = text })
	local after = in_parentheses and at + 2 or at + 1
	local is_field = not strings[after] and (tokens[after] == "." or tokens[after] == ":")
	if is_field then
		self:use(name, tokens[after + 1], after + 1)
	elseif before == "=" and tokens[i - 2]:find "^[%a_]" and tokens[i - 3] ~= "." then
		self.alias[tokens[i - 2]] = name
	end
end

---`dofile` or `loadfile` stands at i.
function reader:ran(i)
	local tokens, strings = self.tokens, self.tokens.strings
	local in_parentheses = tokens[i + 1] == "(" and not strings[i + 1]
	local at = in_parentheses and i + 2 or i + 1
	local name = tokens[i - 1] ~= "." and tokens[i - 1] ~= ":" and literal(tokens, at, in_parentheses)
	if name then
		self:need("file", name, i, { text = spelled(tokens[i], name) })
	end
end

---`package` stands at i: is its path assigned?
function reader:package(i)
	local tokens = self.tokens
	local field = tokens[i + 2]
	if tokens[i + 1] == "." and (field == "path" or field == "cpath") and tokens[i + 3] == "=" then
		self.facts.changes_paths = true
		local line = tokens.lines[i]
		for at = i + 4, #tokens do
			if tokens.lines[at] > line + 1 then
				break
			elseif tokens.strings[at] then
				for pattern in tokens[at]:gmatch "[^;]*%?[^;]*" do
					table.insert(self.facts.paths, pattern)
				end
			end
		end
	end
end

---What a file asks for.
---@param text string
---@param file string
---@return reef.doctor.facts
function source.read(text, file)
	local facts = { needs = {}, uses = {}, protocols = {}, paths = {}, changes_paths = false }
	local _, reason = load(text:gsub("^#[^\n]*", ""), "@" .. file, "t")
	facts.reason = reason
	local self = setmetatable({ tokens = lexer.tokens(text), facts = facts, alias = {} }, reader)
	local tokens, strings = self.tokens, self.tokens.strings
	for i = 1, #tokens do
		if not strings[i] then
			local token = tokens[i]
			if token == "require" then
				self:required(i)
			elseif token == "dofile" or token == "loadfile" then
				self:ran(i)
			elseif token == "package" then
				self:package(i)
			else
				local module = self.alias[token] or common[token]
				if module and tokens[i - 1] ~= "." and tokens[i - 1] ~= ":" and tokens[i + 2] and not strings[i + 2]
					and (tokens[i + 1] == "." or tokens[i + 1] == ":") and not strings[i + 1] then
					self:use(module, tokens[i + 2], i + 2)
				end
			end
		end
	end
	return facts
end

return source

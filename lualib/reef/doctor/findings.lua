-- What the doctor has found, each thing once with all its places.

local findings = {}
findings.__index = findings

---What kinds there are, in the order in which they are told; `fails`: the project does not run as it is.
findings.kinds = {
	{ name = "missing", title = "not there", fails = true },
	{ name = "broken", title = "wrong", fails = true },
	{ name = "perhaps", title = "not there, in files that nothing seems to load", fails = false },
	{ name = "unknown", title = "not known before it runs", fails = false },
	{ name = "foreign", title = "from another implementation", fails = false },
	{ name = "installed", title = "from the distribution", fails = false },
	{ name = "shadowed", title = "passed over", fails = false },
	{ name = "differs", title = "different", fails = false },
	{ name = "unfinished", title = "unfinished", fails = true },
	{ name = "skipped", title = "not looked at", fails = false },
}

---@class reef.doctor.finding
---@field kind string
---@field message string
---@field file string
---@field line? integer
---@field also { file: string, line?: integer }[] further places of the same
---@field package? string of Debian, that has it

function findings.new()
	return setmetatable({ list = {}, by_message = {} }, findings)
end

---@param kind string
---@param file string
---@param line? integer
---@param message string
---@param package? string
function findings:add(kind, file, line, message, package)
	local key = kind .. "\0" .. message
	local known = self.by_message[key]
	if not known then
		known = { kind = kind, message = message, file = file, line = line, also = {}, package = package }
		self.by_message[key] = known
		table.insert(self.list, known)
	elseif known.file ~= file or known.line ~= line then
		table.insert(known.also, { file = file, line = line })
	end
end

---@param kind string
---@return reef.doctor.finding[]
function findings:of(kind)
	local result = {}
	for _, finding in ipairs(self.list) do
		if finding.kind == kind then
			result[#result + 1] = finding
		end
	end
	return result
end

---Is there something that keeps the project from running as it is?
---@return boolean
function findings:fail()
	for _, kind in ipairs(findings.kinds) do
		if kind.fails and #self:of(kind.name) > 0 then
			return true
		end
	end
	return false
end

return findings

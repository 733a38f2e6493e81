-- The reference (docs/api) has a word about every function that a module has, and about every name of skynet's API.
local contract = require "reef.moving.contract"
local process = require "test.process"
local test = require "test"

local function read(path)
	local f <close> = assert(io.open(test.root .. "/" .. path, "rb"))
	return f:read "a"
end

local function described(page, name)
	local text = page:gsub("%[", ""):gsub("%]", "")
	return text:find("\n### `[^`\n]-%f[%w_]" .. name .. "%(") ~= nil or text:find("| `" .. name .. "` |", 1, true) ~= nil
end

-- Fields that are not for users, by module.
local internal = {
	["skynet.manager"] = true, -- is the table skynet itself
	["skynet.require"] = true, -- likewise: what start-up puts there
	skynet = true, -- what is loaded on first use is not there to be counted; the contract below has the names
	["skynet.db.mongo"] = { type = true },
	["http.url"] = {},
}

test.case("every function of every module of the reference is on the module's page", function()
	local code, list = process.run { test.root .. "/scripts/api", "--list" }
	test.equal(code, 0, list)
	local count, missing = 0, {}
	for module in list:gmatch "%S+" do
		local page, skip = read("docs/api/" .. module .. ".md"), internal[module]
		local there = require(module)
		for name, value in pairs(type(there) == "table" and skip ~= true and there or {}) do
			if type(value) == "function" and type(name) == "string" and not name:find "^_" and not (skip and skip[name]) then
				count = count + 1
				if not described(page, name) then
					missing[#missing + 1] = module .. "." .. name
				end
			end
		end
	end
	table.sort(missing)
	test.equal(missing, {})
	test.truthy(count > 300)
end)

test.case("every name that projects written for skynet may use is there", function()
	local missing = {}
	for _, chapter in ipairs(contract.chapters) do
		for _, part in ipairs(chapter.parts) do
			local f = io.open(("%s/docs/api/%s.md"):format(test.root, part.module or part.of or ""))
			local page = f and f:read "a"
			if f then
				f:close()
			end
			for _, entry in ipairs(page and contract.names(part.names) or {}) do
				if entry.kind == "function" and entry.name ~= "init_service" and not described(page, entry.name) then
					missing[#missing + 1] = (part.module or part.object) .. " " .. entry.name
				end
			end
		end
	end
	test.equal(missing, {})
end)

test.run()

-- tsan: no, the command line and what it reads
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
	-- What the house's own tests add.
	["reef.test"] = { count = true },
	["reef.test.redis"] = { launch = true },
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

test.case("what is not so is found out: by scripts/docs --check, and by scripts/api", function()
	local tree = process.path "tree"
	local code, output = process.run { "sh", "-ec", [[
		mkdir "$1" "$1/tests" && cd "$1"
		cp -r "$2/scripts" "$2/docs" "$2/lualib" "$2/README.md" "$2/CHANGELOG.md" .
		cp "$2/tests/README.md" tests
		for room in core socket drivers sharetable datasheet profile examples contrib; do ln -s "$2/$room" "$room"; done
	]], "sh", tree, test.root }
	test.equal(code, 0, output)
	local function change(path, from, to)
		local f = assert(io.open(tree .. "/" .. path, "rb"))
		local text = f:read "a"
		f:close()
		local at, stop = text:find(from, 1, true)
		test.truthy(at, path .. " has " .. from)
		f = assert(io.open(tree .. "/" .. path, "wb"))
		f:write(text:sub(1, at - 1), to, text:sub(stop + 1))
		f:close()
	end
	change("README.md", "(docs/tutorial.md)", "(docs/tutorail.md)")
	change("docs/config.md", "(#levels)", "(#levles)")
	change("docs/README.md", "(images/architecture.svg)", "(images/architect.svg)")
	change("docs/README.md", "](faults.md)", "](errors.md)")
	change("docs/config.md", "| `mongo_srv_poll` |", "| `mongo_srv_pull` |")
	change("docs/cookbook.md", "# Cookbook\n", "# Cookbook\n\n`reef chekc config` and `scripts/biuld`\n")
	change("docs/faults.md", "| `websocket: …` | a handler raised |\n", "| `wobsocket: …` | a handler raised |\n")
	code, output = process.run { tree .. "/scripts/docs", "--check" }
	test.equal(code, 1, output)
	for _, complaint in ipairs {
		"README.md: the link to docs/tutorail.md leads nowhere",
		"docs/config.md: #levles: that page has no such heading",
		"docs/README.md: the picture images/architect.svg leads nowhere",
		"docs/README.md: does not lead to faults.md",
		"docs/config.md: the key mongo_srv_pull is none that Reef reads",
		"docs/config.md: the key mongo_srv_poll is in no table of keys",
		"docs/cookbook.md: there is no command `reef chekc`",
		"docs/cookbook.md: there is no scripts/biuld",
		"docs/faults.md: does not explain `websocket: `",
		"docs/faults.md: explains `wobsocket: …`, which nobody prints",
	} do
		test.truthy(output:find(complaint, 1, true), complaint .. " in\n" .. output)
	end

	change("lualib/reef/redis/lock.lua", "---@param name string\n", "")
	change("lualib/reef/redis/limiter.lua", "Times are in seconds.", "")
	code, output = process.run { tree .. "/scripts/api" }
	test.equal(code, 1, output)
	for _, complaint in ipairs {
		"lualib/reef/redis/lock.lua: acquire: no @param for name",
		"reef.redis.limiter: takes times",
		"pages of docs/api are not what the sources say",
	} do
		test.truthy(output:find(complaint, 1, true), complaint .. " in\n" .. output)
	end
end)

test.run()

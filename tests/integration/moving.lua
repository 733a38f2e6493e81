-- tsan: no, the command line and what it reads
-- The page about moving from skynet is what the script would write today.
local process = require "test.process"
local test = require "test"

test.case("docs/moving.md is what is so: scripts/moving --write writes it", { timeout = 60 }, function()
	local code, output = process.run({ test.root .. "/scripts/moving", env = { REEF = test.reef } }, 50)
	test.equal(code, 0, output)
end)

test.case("a page that says something else is found out", { timeout = 60 }, function()
	local copy = process.path "tree"
	test.equal((process.run { "sh", "-ec", ([[
		mkdir %s && cd %s
		cp -r %s/scripts %s/docs %s/lualib .
		ln -s %s/core core
	]]):format(copy, copy, test.root, test.root, test.root, test.root) }), 0)
	local function change(path, from, to)
		local f = assert(io.open(copy .. "/" .. path))
		local text, n = f:read("a"):gsub(from, to, 1)
		f:close()
		test.equal(n, 1, from)
		f = assert(io.open(copy .. "/" .. path, "w"))
		f:write(text)
		f:close()
	end
	-- A name that nobody has.
	change("docs/moving.md", "`mqlen`", "`mqlenght`")
	local code, output = process.run({ copy .. "/scripts/moving", env = { REEF = test.reef } }, 50)
	test.equal(code, 1, output)
	test.matches(output, "is not what is so")
end)

test.run()

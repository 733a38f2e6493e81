-- tsan: no, the command line and what it reads
-- timeout: 120
-- What fish and zsh complete: each command once, and each long option that its help has.
local process = require "test.process"
local test = require "test"

local directory = test.reef:match "^(.*)/[^/]*$" .. "/manual"

local function run(command)
	local code, output = process.run(command, 60)
	test.equal(code, 0, output)
	return output
end

local function help_of(...)
	local words = { ... }
	table.insert(words, "--help")
	return run { test.reef, table.unpack(words) }
end

-- The names of all commands, and the long options of each.
local function all()
	local names, options = {}, {}
	for name in help_of():match "^(.-)\n\n":gmatch "\n +reef (%l+)" do
		if not options[name] then
			names[#names + 1], options[name] = name, { "--help" }
			for flags in help_of(name):gmatch "\n  (%-%-?[^\n]-)  " do
				for word in flags:gmatch "%-%-[%w_-]+" do
					table.insert(options[name], word)
				end
			end
		end
	end
	test.truthy(#names > 10 and #options.replay > 8)
	return names, options
end

-- `complete(line)` is what the shell offers, a line each.
local function check(shell, complete)
	if test.sanitizer then
		test.skip "completion comes with builds without a sanitizer"
	elseif process.run { "sh", "-c", "command -v " .. shell } ~= 0 then
		test.skip("there is no " .. shell)
	end
	local names, options = all()
	local shown = complete "reef "
	for _, name in ipairs(names) do
		test.equal(select(2, shown:gsub("\n" .. name .. "%s", "")), 1, name .. " in\n" .. shown)
		local found = complete(("reef %s --"):format(name))
		for _, option in ipairs(options[name]) do
			test.truthy(found:find("\n" .. option:gsub("%p", "%%%0") .. "%s"), name .. " " .. option .. " in\n" .. found)
		end
	end
	test.matches(shown, "a seed's")
end

test.case("fish", function()
	check("fish", function(line)
		return "\n" .. run { "fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", directory .. "/reef.fish",
			line, env = { HOME = test.dir } }
	end)
end)

-- The functions of zsh that it calls say what they are given: candidates, a description behind each.
local ZSH <const> = [=[
_describe() { print -l -- "${(@)${(P)2}/:/ }" }
_arguments() { print -l -- $@ | sed 's/\[/ /' }
_files() { print -- "(files)" }
complete() { source $1 }
words=(${=2}) PREFIX=${2##* }
[[ -n $PREFIX ]] || words+=("")
CURRENT=$#words
complete $1
]=]

test.case("zsh", function()
	local function complete(line)
		return "\n" .. run { "zsh", "-f", "-c", ZSH, "zsh", directory .. "/_reef", line }
	end
	check("zsh", complete)
	test.matches(complete "reef test x", "^\n%(files%)\n$")
	test.matches(complete "reef -", "\n%-%-version ")
end)

test.run()

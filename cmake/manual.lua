-- What is made from what the commands say of themselves (`reef NAME --help`): the page of the manual, and completion
-- for bash, zsh and fish. `reef run manual.lua REEF VERSION DIRECTORY`, when Reef is built.
local process = require "reef.process"
local skynet = require "skynet"

local reef, version, directory = ...

local function help_of(words)
	local pipe = assert(io.popen(("'%s' %s --help"):format(reef:gsub("'", "'\\''"), words)))
	local text = pipe:read "a"
	assert(pipe:close(), words)
	return text
end

local function write(name, text)
	local f <close> = assert(io.open(directory .. "/" .. name, "w"))
	assert(f:write(text))
end

---@class manual.command
---@field name string
---@field summary string
---@field help string
---@field options { words: string[], value: string|nil, text: string }[]

-- `  --quiet, -q  text`, and lines that go on below the text. All have --help.
local function options_of(help)
	local options = {}
	for line in help:gmatch "[^\n]+" do
		local flags, text = line:match "^  (%-[^ ]*.-)  +(.*)$"
		local last = options[#options]
		if flags and not flags:find "^%-%-help" then
			local words = {}
			for word in flags:gmatch "%-[%w_-]+" do
				words[#words + 1] = word
			end
			options[#options + 1] = { words = words, value = flags:match "^%S+ (%u[%w:|]*)", text = text }
		elseif last and line:find "^     " then
			last.text = last.text .. line:gsub("^ +", " ")
		end
	end
	return options
end

local main = help_of ""
local commands = {} ---@type manual.command[]
for line in main:match "^(.-)\n\n":gmatch "[^\n]+" do
	local name, summary = line:match "reef (%l+)[^%l]* (%l.*)$"
	if name and not (commands[#commands] and commands[#commands].name == name) then
		local help = help_of(name)
		commands[#commands + 1] = { name = name, summary = summary, help = help, options = options_of(help) }
	end
end

---------------------------------------------------------------------------------------------------------------------
-- reef.1

local function roff(text)
	return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1"):gsub("^([.'])", "\\&%1"))
end

-- A help text: options become a list, indented lines stay as they are, the rest is paragraphs.
local function page(help)
	local out, mode = {}, nil
	local function switch(to)
		if mode == "lines" and to ~= "lines" then
			out[#out + 1] = ".fi"
		elseif mode ~= "lines" and to == "lines" then
			out[#out + 1] = ".PP\n.nf"
		elseif to == "text" and mode ~= "text" then
			out[#out + 1] = ".PP"
		end
		mode = to
	end
	for line in help:gmatch "([^\n]*)\n" do
		local flags, text = line:match "^  (%-[^ ]*.-)  +(.*)$"
		if line == "" then
			switch(nil)
		elseif flags then
			switch "option"
			out[#out + 1] = (".TP\n\\fB%s\\fR\n%s"):format(roff(flags), roff(text))
		elseif mode == "option" and line:find "^    " then
			out[#out + 1] = roff((line:gsub("^%s+", "")))
		elseif line:find "^Usage:" or line:find "^ " then
			switch "lines"
			out[#out + 1] = roff(line)
		else
			switch "text"
			out[#out + 1] = roff(line)
		end
	end
	switch(nil)
	return table.concat(out, "\n") .. "\n"
end

local TITLE <const> = [[
.TH REEF 1 "" "Reef %s" "User Commands"
.SH NAME
reef \- an actor runtime for Lua
]]
local man = {
	TITLE:format(version), ".SH SYNOPSIS\n", page(main:match "^(.-\n)\n"),
	".SH DESCRIPTION\n", page((main:match "^.-\n\n(.*)$")), ".SH COMMANDS\n",
}
for _, command in ipairs(commands) do
	man[#man + 1] = (".SS reef %s\n%s"):format(command.name, page(command.help))
end
man[#man + 1] = [[
.SH ENVIRONMENT
.TP
\fBREEF_THREADS\fR
worker threads of reef run
.TP
\fBREEF_METRICS\fR
HOST:PORT where a process answers HTTP with what goes on inside, unless its configuration says another
.TP
\fBNO_COLOR\fR
if it is set, and not empty, nothing is coloured
.TP
\fBNOTIFY_SOCKET\fR
where systemd is told that a process has started, and that its end begins
.TP
\fBXDG_STATE_HOME\fR
below it lie the histories of prompts
.SH SEE ALSO
.BR systemd.unit (5),
.BR redis-cli (1)
]]
write("reef.1", table.concat(man))

---------------------------------------------------------------------------------------------------------------------
-- completion

local function each(f, separator)
	local out = {}
	for i, command in ipairs(commands) do
		out[i] = f(command)
	end
	return table.concat(out, separator or "")
end

local function words_of(command)
	local words = { "--help" }
	for _, option in ipairs(command.options) do
		table.move(option.words, 1, #option.words, #words + 1, words)
	end
	return table.concat(words, " ")
end

local names = each(function(command) return command.name end, " ")
write("reef.bash", ([[
# Completion of reef for bash.
_reef() {
	local word=${COMP_WORDS[COMP_CWORD]} options=
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W '%s --help --version' -- "$word") $(compgen -f -- "$word"))
		return
	fi
	case ${COMP_WORDS[1]} in
%s	esac
	case $word in
	-*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
	*) COMPREPLY=($(compgen -f -- "$word")) ;;
	esac
}
complete -o filenames -F _reef reef
]]):format(names, each(function(command)
	return ("\t%s) options='%s' ;;\n"):format(command.name, words_of(command))
end)))

local function in_zsh(text)
	return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function in_fish(text)
	return "'" .. text:gsub("['\\]", "\\%0") .. "'"
end

write("_reef", ([==[
#compdef reef
# Completion of reef for zsh.
local -a commands options
commands=(
%s)
if (( CURRENT == 2 )); then
	_describe command commands
	_arguments '--help[say what there is]' '--version[say which one it is]'
	_files
	return
fi
case $words[2] in
%sesac
if [[ $PREFIX == -* ]]; then
	_describe option options
else
	_files
fi
]==]):format(each(function(command)
	return ("\t%s\n"):format(in_zsh(command.name .. ":" .. command.summary))
end), each(function(command)
	local options = { "'--help:say what there is'" }
	for _, option in ipairs(command.options) do
		for _, word in ipairs(option.words) do
			options[#options + 1] = in_zsh(word .. ":" .. option.text)
		end
	end
	return ("%s) options=(%s) ;;\n"):format(command.name, table.concat(options, " "))
end)))

write("reef.fish", "# Completion of reef for fish.\n" .. each(function(command)
	local lines = { ("complete -c reef -n __fish_use_subcommand -a %s -d %s\n"):format(command.name,
		in_fish(command.summary)) }
	for _, option in ipairs(command.options) do
		local flags = ""
		for _, word in ipairs(option.words) do
			flags = flags .. (word:sub(1, 2) == "--" and " -l " .. word:sub(3) or " -s " .. word:sub(2))
		end
		lines[#lines + 1] = ("complete -c reef -n '__fish_seen_subcommand_from %s'%s%s -d %s\n"):format(command.name, flags,
			option.value and " -r" or "", in_fish(option.text))
	end
	return table.concat(lines)
end) .. [[
complete -c reef -l help -d 'say what there is'
complete -c reef -n __fish_use_subcommand -l version -d 'say which one it is'
]])

skynet.start(function()
	process.stop()
end)

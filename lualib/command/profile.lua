-- reef profile HOST:PORT: takes a profile of a running process, by the endpoint of its metrics server.

local command = require "reef.command"
local files = require "reef.files"
local json = require "reef.json"
local plural = require "reef.plural"
local printable = require("reef.text").printable
local skynet = require "skynet"
local must = command.must

local HELP = [[
Usage: reef profile HOST:PORT [--seconds 10] [--service ADDRESS | --name PATTERN]
                    [--kind cpu|bytes] [--format folded|svg|pprof|speedscope] [-o FILE]

Says where a running process spends its CPU time, or where it allocates. HOST:PORT is what its configuration key
`metrics` says, or REEF_METRICS; without HOST it is this machine.

  --seconds N      how long (default 10, at most 300)
  --service A      one service: `:0000000a`, or `.name`
  --name PATTERN   services whose names fit, such as "agent*"
  --kind KIND      cpu: by CPU time (the default); bytes: by allocated bytes
  --hz N           samples a second of CPU time (default 99)
  --every N        bytes from one sample to the next (default 65536)
  --lines          functions with the line that they are in, not that where they begin
  --format FORMAT  folded: a stack and its number a line (the default); svg: a flame graph; pprof: for `go tool pprof`;
                   speedscope: for speedscope.app. Without it, the end of FILE says it: .svg, .pb.gz, .json
  -o FILE          writes there instead of to standard output

Exit code: 0 done, 1 there is no profile, 2 the command line is wrong.
]]

local valued = {
	["--seconds"] = "seconds", ["--service"] = "service", ["--name"] = "name", ["--kind"] = "kind", ["--hz"] = "hz",
	["--every"] = "every", ["--format"] = "format", ["-o"] = "file", ["--output"] = "file",
}
local choices = { kind = " cpu bytes ", format = " folded svg pprof speedscope " }
local endings = { { "%.svg$", "svg" }, { "%.pb%.gz$", "pprof" }, { "%.json$", "speedscope" } }

local function parse_arguments()
	local options = {}
	local next_word = command.words()
	for word in next_word do
		if word == "--help" or word == "-h" then
			options.help = true
		elseif word == "--lines" then
			options.lines = "1"
		elseif valued[word] then
			local value = next_word()
			if not value then
				return nil, word .. " needs a value"
			end
			options[valued[word]] = value
		elseif word:sub(1, 1) == "-" then
			return nil, "unknown option " .. word
		elseif options.address then
			return nil, "one process at a time"
		else
			options.address = command.address(word)
		end
	end
	if options.address then
		local host, wrong = command.host(options.address)
		if not host then
			return nil, wrong
		end
		options.address = host
	end
	local seconds = tonumber(options.seconds or 10)
	if not seconds or not (seconds > 0 and seconds <= 300) then
		return nil, "--seconds needs a number up to 300"
	end
	options.seconds = tostring(seconds)
	for name, known in pairs(choices) do
		if options[name] and not known:find(" " .. options[name] .. " ", 1, true) then
			return nil, ("--%s needs one of%s, not %s"):format(name, known:gsub("(%l) (%l)", "%1, %2"):sub(1, -2), options[name])
		end
	end
	for _, ending in ipairs(endings) do
		if not options.format and options.file and options.file:find(ending[1]) then
			options.format = ending[2]
		end
	end
	return options
end

local function fetch(options)
	local query = {}
	for _, name in ipairs { "seconds", "service", "name", "kind", "hz", "every", "lines", "format" } do
		if options[name] then
			query[#query + 1] = ("%s=%s"):format(name, (options[name]:gsub("[^%w.:_-]", function(c)
				return ("%%%02X"):format(c:byte())
			end)))
		end
	end
	local http = require "reef.http.client" -- here, so that a build without HTTP has its help
	local client = http.new { timeout = math.ceil((tonumber(options.seconds) + 30) * 100), idle_timeout = 40000 }
	local response = client:request {
		url = ("http://%s/api/profile?%s"):format(options.address, table.concat(query, "&")),
	}
	local status, body = response.status, response:body()
	if status ~= 200 then
		local answer = json.decode(body)
		error(type(answer) == "table" and answer.error or ("%d: %s"):format(status, body), 0)
	end
	return body
end

local function write(options, body)
	local out = options.file and must(io.open(options.file, "wb")) or io.stdout
	must(out:write(body))
	must(out:flush())
	if body == "" then
		io.stderr:write(("reef profile: nothing was sampled in %s s: what is looked at was idle, or is not there\n"):format(
			options.seconds))
	end
	if options.file then
		out:close()
		io.write(("%s: %s\n"):format(printable(options.file), plural(#body, "byte")))
	end
end

-- What it takes long to make is to have a place.
local function check_place(path)
	local there = files.stat(path)
	must(io.open(path, "ab")):close()
	if not there then
		os.remove(path)
	end
end

skynet.start(function()
	local options = command.options("profile", HELP, parse_arguments, "address",
		"of which process? HOST:PORT, as its configuration key metrics says")
	if not options then
		return
	end
	local ok, err = true, nil
	if options.file then
		ok, err = pcall(check_place, options.file)
	end
	if ok then
		ok, err = pcall(fetch, options)
	end
	if ok then
		ok, err = pcall(write, options, err)
	end
	if not ok then
		io.stderr:write(("reef profile: %s: %s\n"):format(printable(options.address), printable(tostring(err))))
	end
	command.finish(ok and 0 or 1)
end)

-- What the engine knows of the process: CPU and memory, services by the name of their file, sockets, shared data. None
-- of it asks another service, so it answers when services are stuck, too.
local ledger = require "reef.metrics.ledger"
local core = require "reef.memory"
local memory = require "reef.allocator"
local name_of = require "reef.look.name"
local scheduler = require "reef.scheduler"
local services = require "reef.services"
local skynet = require "skynet"
local system = require "reef.look.system"
local text = require "reef.metrics.text"

local MOST_NAMES = 200 -- of services; all others are one, named "other"

local process = {}

local ended = ledger.new()

local function system_numbers(out)
	local cpu, resident = system.cpu(), system.resident()
	if cpu then
		out:single("process_cpu_seconds_total", "counter", "User and system CPU time.", cpu)
	end
	if resident then
		out:single("process_resident_memory_bytes", "gauge", "Memory in RAM.", resident)
	end
	out:single("process_start_time_seconds", "gauge", "Start of the process, since the epoch.", skynet.starttime())
	out:single("reef_memory_allocated_bytes", "gauge", "What is allocated, by the allocator's count.", memory.total())
	local images, _, image_bytes, templates, refused, copies = core.images()
	out:single("reef_vm_images_total", "counter", "Images of VMs that were made.", images)
	out:single("reef_vm_templates_total", "counter", "Images of VMs whose main function has run.", templates)
	out:single("reef_vm_templates_refused_total", "counter", "Attempts to make one that failed.", refused)
	out:single("reef_vm_image_bytes", "gauge", "Memory of the images.", image_bytes)
	out:single("reef_vm_copy_bytes", "gauge", "Memory of VMs that are copies.", copies)
	local open, limit = system.descriptors()
	if open then
		out:single("process_open_fds", "gauge", "Open file descriptors.", open)
	end
	if limit then
		out:single("process_max_fds", "gauge", "File descriptors that may be open.", limit)
	end
	out:single("reef_workers", "gauge", "Worker threads.", math.tointeger(skynet.getenv "thread") or 0)
end

local columns = {
	{ "reef_services", "gauge", "Living services." },
	{ "reef_service_messages_total", "counter", "Messages that services of this name have handled." },
	{ "reef_service_cpu_seconds_total", "counter", "CPU time that services of this name have used." },
	{ "reef_service_queued_messages", "gauge", "Messages that wait for services of this name." },
	{ "reef_service_memory_bytes", "gauge", "Memory of the VMs of services of this name." },
	{ "reef_service_refused_messages_total", "counter", "Messages that found the mailbox of services of this name full." },
	{ "reef_service_errors_total", "counter", "Errors in services of this name that nobody caught." },
}
local LEVELS <const> = { "debug", "verbose", "info", "warn", "error" }
local SLOW <const> = "reef_service_slow_messages_total"

local function slow_key(name, kind)
	return text.key(SLOW, { "service", "type" }, { name, kind })
end

local function by_name(out)
	local address, description, messages, cpu, queued, bytes, refused, errors = services.snapshot()
	local sums, names, living = {}, {}, {}
	for i, handle in ipairs(address) do
		local name = name_of(description[i])
		local sum = sums[name]
		if not sum then
			if #names >= MOST_NAMES then
				name = "other"
			end
			sum = sums[name]
			if not sum then
				sum = { 0, 0, 0, 0, 0, 0, 0, keys = {}, slow = { lua = 0 } }
				sums[name] = sum
				names[#names + 1] = name
				for column, family in ipairs(columns) do
					sum.keys[column] = text.key(family[1], { "service" }, { name })
				end
			end
		end
		sum[1], sum[4], sum[5] = sum[1] + 1, sum[4] + queued[i], sum[5] + bytes[i]
		sum[2], sum[3], sum[6], sum[7] = sum[2] + messages[i], sum[3] + cpu[i], sum[6] + refused[i], sum[7] + errors[i]
		local counters = { [sum.keys[2]] = messages[i], [sum.keys[3]] = cpu[i], [sum.keys[6]] = refused[i],
			[sum.keys[7]] = errors[i] }
		for kind, n in pairs(services.slow(handle) or {}) do
			sum.slow[kind] = (sum.slow[kind] or 0) + n
			counters[slow_key(name, kind)] = n
		end
		living[handle] = counters
	end
	for _, family in ipairs(columns) do
		out:declare(table.unpack(family))
	end
	for _, name in ipairs(names) do
		for column, family in ipairs(columns) do
			out:add(family[1], sums[name].keys[column], sums[name][column])
		end
	end
	out:declare(SLOW, "counter", "Messages that services of this name took longer for than `slow_message`.")
	for _, name in ipairs(names) do
		for kind, n in pairs(sums[name].slow) do
			out:add(SLOW, slow_key(name, kind), n)
		end
	end
	ended:settle(living, function(key, value)
		out:add(key:match "^[^{]+", key, value)
	end)
end

local function histogram(out, name, help, of)
	out:declare(name, "histogram", help)
	text.histogram(name, {}, nil, of.bounds, of.counts, of.sum, function(key, value)
		out:add(name, key, value)
	end)
end

local function workers(out)
	out:declare("reef_worker_cpu_seconds_total", "counter", "CPU time of a worker thread; all spare ones are one.")
	local cpu, regular = scheduler.cpu()
	for i, used in ipairs(cpu) do
		local name = i <= regular and tostring(i - 1) or "spare"
		out:add("reef_worker_cpu_seconds_total", text.key("reef_worker_cpu_seconds_total", { "worker" }, { name }), used)
	end
	histogram(out, "reef_scheduling_delay_seconds",
		"Time that services with work waited for a worker; one of 32 is measured.", scheduler.delays())
	histogram(out, "reef_collector_pause_seconds",
		"Time that the garbage collector of a VM kept it from going on, each time.", scheduler.pauses())
end

local function sockets(out)
	out:declare("reef_sockets", "gauge", "Open sockets by kind.")
	out:declare("reef_socket_unsent_bytes", "gauge", "Bytes that were written and wait for the network.")
	local unsent = 0
	for _, info in ipairs(require("reef.socket").netstat()) do
		out:add("reef_sockets", text.key("reef_sockets", { "kind" }, { info.type }), 1)
		unsent = unsent + (info.wbuffer or 0)
	end
	out:add("reef_socket_unsent_bytes", "reef_socket_unsent_bytes", unsent)
end

local function shared(out)
	local tables, code = require("reef.tables").stat(), require("skynet.codecache").stat()
	out:declare("reef_shared_bytes", "gauge", "Memory that all services share.")
	out:declare("reef_shared_versions", "gauge", "Versions of shared tables and of code that somebody holds.")
	local function add(family, what, n)
		out:add(family, text.key(family, { "what" }, { what }), n)
	end
	local sheets = require("reef.datasheet").stat()
	add("reef_shared_bytes", "tables", tables.bytes)
	add("reef_shared_versions", "tables", tables.versions)
	add("reef_shared_bytes", "code", code.bytes)
	add("reef_shared_versions", "code", #code.files)
	add("reef_shared_bytes", "sheets", sheets.bytes)
	add("reef_shared_bytes", "sheets_removed", sheets.retired_bytes)
end

local function log_lines(out)
	local lines, lost, waiting = require("reef.log").numbers()
	local name = "reef_log_lines_total"
	out:declare(name, "counter", "Lines that were logged.")
	for _, level in ipairs(LEVELS) do
		out:add(name, text.key(name, { "level" }, { level }), lines[level])
	end
	out:single("reef_log_lost_lines_total", "counter",
		"Lines for which there was no room: the log could not be written.", lost)
	out:single("reef_log_waiting_bytes", "gauge", "Lines that wait to be written.", waiting)
end

---@param out reef.metrics.families
function process.collect(out)
	system_numbers(out)
	by_name(out)
	workers(out)
	sockets(out)
	shared(out)
	log_lines(out)
end

return process

-- Authorities and certificates of the test's own, made by the `openssl` command.
--
--     local ca = require("test.tls").authority()
--     ca.file                                                -- its certificate
--     local good = ca:issue { dns = { "localhost" }, ip = { "127.0.0.1" } }
--     good.cert, good.key                                    -- files
--     ca:issue { dns = { "localhost" }, from = "20200101", to = "20240101", password = "secret", name = "user" }
local process = require "test.process"
local test = require "test"

local tls = {}

---@class test.authority
---@field file string
local authority = {}
authority.__index = authority

local function openssl(...)
	local code, output = process.run { "openssl", ... }
	if code ~= 0 then
		error("openssl: " .. output, 3)
	end
	return output
end

local function write(path, text)
	local f <close> = assert(io.open(path, "w"))
	f:write(text)
end

local CONFIG = [[
[ca]
default_ca = own
[own]
dir = %s
database = %s/index
new_certs_dir = %s
serial = %s/serial
certificate = %s/ca.pem
private_key = %s/ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
]]

---@param name string|nil
---@return test.authority
function tls.authority(name)
	local dir = process.path "ca"
	process.mkdir(dir)
	write(dir .. "/config", CONFIG:gsub("%%s", (dir:gsub("%%", "%%%%"))))
	write(dir .. "/index", "")
	write(dir .. "/serial", "1000\n")
	openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
		"-subj", "/CN=" .. (name or "Test Authority"), "-keyout", dir .. "/ca.key", "-out", dir .. "/ca.pem",
		"-addext", "keyUsage=critical,keyCertSign,cRLSign")
	return setmetatable({ dir = dir, file = dir .. "/ca.pem", count = 0 }, authority)
end

---An authority that this one has signed.
---@param name string
---@return test.authority
function authority:intermediate(name)
	local other = tls.authority(name)
	local cert = self:issue { name = name, ca = true }
	openssl("x509", "-in", cert.cert, "-out", other.dir .. "/ca.pem")
	openssl("pkey", "-in", cert.key, "-out", other.dir .. "/ca.key")
	return other
end

---A certificate: `dns` and `ip` are what it is for, `from` and `to` days as YYYYMMDD, `name` its common name,
---`password` encrypts the key, with `ca` it may sign others.
---@return { cert: string, key: string, both: string }
function authority:issue(options)
	self.count = self.count + 1
	local base = ("%s/%d"):format(self.dir, self.count)
	local names = {}
	for _, dns in ipairs(options.dns or {}) do
		names[#names + 1] = "DNS:" .. dns
	end
	for _, ip in ipairs(options.ip or {}) do
		names[#names + 1] = "IP:" .. ip
	end
	write(base .. ".ext", (#names > 0 and "subjectAltName=" .. table.concat(names, ",") .. "\n" or "")
		.. (options.ca and "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n" or ""))
	local request = {
		"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=" .. (options.name or "test"),
		"-keyout", base .. ".key", "-out", base .. ".csr",
	}
	if options.password then
		table.move({ "-passout", "pass:" .. options.password }, 1, 2, #request + 1, request)
	else
		request[#request + 1] = "-nodes"
	end
	openssl(table.unpack(request))
	local validity = { "-days", "20" }
	if options.to then
		validity = { "-startdate", (options.from or "20200101") .. "000000Z", "-enddate", options.to .. "000000Z" }
	end
	openssl("ca", "-batch", "-notext", "-config", self.dir .. "/config", "-extfile", base .. ".ext", "-in", base .. ".csr",
		"-out", base .. ".pem", table.unpack(validity))
	local cert, key = assert(io.open(base .. ".pem")):read "a", assert(io.open(base .. ".key")):read "a"
	write(base .. ".both", cert .. key)
	return { cert = base .. ".pem", key = base .. ".key", both = base .. ".both" }
end

local made

---What most tests need: an authority, and certificates of localhost that are good, expired, for somebody else, by an
---unknown authority, and a client's. Made once a test file.
function tls.world()
	if not made then
		local ca, unknown = tls.authority(), tls.authority "Somebody"
		local here = { dns = { "localhost" }, ip = { "127.0.0.1", "::1" } }
		made = {
			ca = ca, unknown = unknown,
			good = ca:issue(here),
			expired = ca:issue { dns = here.dns, ip = here.ip, to = "20240101" },
			other = ca:issue { dns = { "other.example" } },
			stranger = unknown:issue(here),
			client = ca:issue { name = "client" },
			stranger_client = unknown:issue { name = "stranger" },
		}
	end
	return made
end

---Is the `openssl` command there? Ends the case as skipped otherwise.
function tls.check()
	if not pcall(process.run, { "openssl", "version" }) then
		test.skip "no openssl command"
	end
end

return tls

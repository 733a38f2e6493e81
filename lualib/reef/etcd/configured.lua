-- The etcd that the configuration names, for what the process itself keeps there.

local etcd = require "reef.etcd"
local skynet = require "skynet"

local configured = {}

---@return reef.etcd
function configured.client()
	local text = skynet.getenv "etcd"
	if not text then
		error("the key `etcd` has to name the members: etcd = \"http://10.0.0.1:2379,http://10.0.0.2:2379\"", 0)
	end
	local endpoints = {}
	for endpoint in text:gmatch "[^,%s]+" do
		endpoints[#endpoints + 1] = endpoint
	end
	local timeout = tonumber(skynet.getenv "etcd_timeout" or 500)
	if not timeout or timeout <= 0 then
		error(("etcd_timeout = %s: hundredths of a second are needed"):format(skynet.getenv "etcd_timeout"), 0)
	end
	local tls = { ca_file = skynet.getenv "etcd_ca_file", cert_file = skynet.getenv "etcd_cert_file",
		key_file = skynet.getenv "etcd_key_file" }
	return etcd.new { endpoints = endpoints, user = skynet.getenv "etcd_user", password = skynet.getenv "etcd_password",
		timeout = timeout / 100, tls = next(tls) and tls or nil }
end

---What all our keys begin with.
---@return string
function configured.prefix()
	return skynet.getenv "etcd_prefix" or "/reef/"
end

return configured

-- TLS as connection strings ask for it (specification "URI Options"), as options of reef.tls.

local names = {
	"tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames", "tlsCAFile", "tlsCertificateKeyFile",
	"tlsCertificateKeyFilePassword", "tlsInsecure",
}

---@param options table by their names in connection strings
---@return reef.tls.options|nil
return function(options)
	local wanted = options.tls
	-- Each of the others asks for TLS by itself.
	for _, name in ipairs(names) do
		if wanted == nil and options[name] then
			wanted = true
		end
	end
	if not wanted then
		return nil
	end
	local insecure = options.tlsInsecure or options.tlsAllowInvalidCertificates
	return require "reef.tls".options {
		ca_file = options.tlsCAFile,
		cert_file = options.tlsCertificateKeyFile,
		password = options.tlsCertificateKeyFilePassword,
		verify = not insecure,
		verify_host = not (insecure or options.tlsAllowInvalidHostnames),
	}
end

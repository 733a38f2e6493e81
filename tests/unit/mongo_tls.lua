-- tsan: no, one thread does all of it
-- What connection strings of MongoDB say about TLS.
local options = require "reef.mongo.tls"
local test = require "test"
local uri = require "reef.mongo.uri"

local function of(query)
	return options(uri.parse("mongodb://h/?" .. query).options)
end

test.case("TLS is used when it or one of its options is asked for", function()
	test.equal(of "", nil)
	test.equal(of "tls=false", nil)
	test.equal(of "tls=false&tlsCAFile=/ca", nil)
	test.equal(of "tlsInsecure=false", nil)
	test.equal(of "tls=true", { verify = true, verify_host = true })
	test.equal(of "ssl=true", { verify = true, verify_host = true })
	test.equal(of "tlsCAFile=/my%20ca", { ca_file = "/my ca", verify = true, verify_host = true })
	test.equal(of "tlsCertificateKeyFile=/me&tlsCertificateKeyFilePassword=pw",
		{ cert_file = "/me", password = "pw", verify = true, verify_host = true })
end)

test.case("only what says so makes it accept less than a good certificate", function()
	test.equal(of "tlsInsecure=true", { verify = false, verify_host = false })
	test.equal(of "tlsAllowInvalidCertificates=true", { verify = false, verify_host = false })
	test.equal(of "tls=true&tlsAllowInvalidHostnames=true", { verify = true, verify_host = false })
	test.equal(of "tls=true&tlsDisableOCSPEndpointCheck=true", { verify = true, verify_host = true })
end)

test.run()

-- tsan: no, one thread does all of it
-- `skynet.crypt`, `client.crypt` and `md5` as their users know them.
local crypt = require "skynet.crypt"
local md5 = require "md5"
local test = require "test"

local hex = crypt.hexencode

test.case("the functions of the login protocol give the values that clients expect", function()
	test.equal(hex(crypt.hmac64("12345678", "abcdefgh")), "ac9ffda9547a027a")
	test.equal(hex(crypt.hmac64_md5("12345678", "abcdefgh")), "c2a34748cf834af4")
	test.equal(hex(crypt.hmac_hash("12345678", "text")), "f28cb90c95aaf245")
	test.equal(crypt.hmac_hash("12345678", "text"), crypt.hmac64(crypt.hashkey "text", "12345678"))
	test.equal(hex(crypt.dhexchange "12345678"), "a18e89af97222f0e")
	test.equal(hex(crypt.dhsecret("12345678", "abcdefgh")), "c28f6c29ade90908")
	test.raises("Can't be 0", crypt.dhexchange, ("\0"):rep(8))
	test.raises("Can't be 0", crypt.dhsecret, ("\0"):rep(8), "12345678")
	test.raises("8", crypt.hmac64, "1234567", "abcdefgh")
end)

test.case("two parties agree on a secret", function()
	for _ = 1, 20 do
		local a, b = crypt.randomkey(), crypt.randomkey()
		test.equal(crypt.dhsecret(crypt.dhexchange(a), b), crypt.dhsecret(crypt.dhexchange(b), a))
	end
end)

test.case("a random key has eight bytes and is not its own inverse", function()
	local seen = {}
	for _ = 1, 1000 do
		local key = crypt.randomkey()
		test.equal(#key, 8)
		test.equal(seen[key], nil)
		seen[key] = true
		local x = 0
		for i = 1, 8 do
			x = x ~ key:byte(i)
		end
		test.different(x, 0)
	end
end)

test.case("DES encodes with both paddings and notices damage", function()
	test.equal(hex(crypt.desencode("\x13\x34\x57\x79\x9b\xbc\xdf\xf1", "\x01\x23\x45\x67\x89\xab\xcd\xef"):sub(1, 8)),
		"85e813540f0ab405")
	for _, padding in ipairs { crypt.padding.iso7816_4, crypt.padding.pkcs7 } do
		for n = 0, 33 do
			local text = ("x"):rep(n)
			local code = crypt.desencode("12345678", text, padding)
			test.equal(#code, n // 8 * 8 + 8)
			test.equal(crypt.desdecode("12345678", code, padding), text)
		end
	end
	test.raises("key", crypt.desencode, "1234567", "text")
	test.raises("Invalid des crypt text", crypt.desdecode, "12345678", "1234567")
	test.raises("Invalid des crypt text", crypt.desdecode, "12345678", "12345678")
	test.raises("padding", crypt.desencode, "12345678", "text", 7)
end)

test.case("hexadecimal and base64", function()
	test.equal(hex "\0\xffA", "00ff41")
	test.equal(crypt.hexdecode "00ff41", "\0\xffA")
	test.raises(".", crypt.hexdecode, "0")
	test.raises(".", crypt.hexdecode, "0G")
	test.raises(".", crypt.hexdecode, "FF")
	local codes = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", ["\xff\xfe"] = "//4=" }
	for text, code in pairs(codes) do
		test.equal(crypt.base64encode(text), code)
		test.equal(crypt.base64decode(code), text)
		test.equal(crypt.base64decode((code:gsub("=", ""))), text)
		test.equal(crypt.base64decode((code:gsub(".", "%0\n "))), text)
	end
	test.raises("Invalid base64 text", crypt.base64decode, "Z")
	test.raises("Invalid base64 text", crypt.base64decode, "Zg=a")
end)

test.case("digests", function()
	test.equal(hex(crypt.sha1 "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d")
	test.equal(hex(crypt.hmac_sha1("Jefe", "what do ya want for nothing?")), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
	test.equal(md5.sumhexa "abc", "900150983cd24fb0d6963f7d28e17f72")
	test.equal(hex(md5.sum "abc"), "900150983cd24fb0d6963f7d28e17f72")
	test.equal(md5.hmacmd5("what do ya want for nothing?", "Jefe"), "750c783e6ab0b503eaa86e310a5db738")
	test.equal(md5.exor("abc", "   "), "ABC")
	for n = 0, 40 do
		local text = ("t"):rep(n)
		test.equal(md5.decrypt(md5.crypt(text, "key"), "key"), text)
		test.equal(md5.decrypt(md5.crypt(text, "k", "s"), "k"), text)
	end
	test.different(md5.crypt("text", "key"), md5.crypt("text", "key"))
end)

test.case("xor_str repeats its second argument", function()
	test.equal(crypt.xor_str("abcd", "  "), "ABCD")
	test.raises(".", crypt.xor_str, "abcd", "")
end)

test.run()

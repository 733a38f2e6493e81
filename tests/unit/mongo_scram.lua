-- tsan: no, one thread does all of it
-- SCRAM: the conversations of RFC 5802 and RFC 7677, and servers that lie.
local digest = require "reef.digest"
local scram = require "reef.mongo.scram"
local test = require "test"

local FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

local function start()
	return scram.new("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO")
end

test.case("the conversation of RFC 7677 is reproduced", function()
	local c = start()
	test.equal(c.first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
	test.equal(c:step(FIRST), "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		.. "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	test.equal(c:verified(), false)
	test.equal(c:step "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "")
	test.equal(c:verified(), true)
end)

test.case("SCRAM-SHA-1 proves knowledge of the server's digest of the password", function()
	local c = scram.new("SCRAM-SHA-1", "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL")
	local answer = c:step "r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,s=rQ9ZY3MntBeuP3E1TDVC4w==,i=10000"
	test.equal(answer, "c=biws,r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,p=MC2T8BvbmWRckDw8oWl5IVghwCY=")
	test.equal(c:step "v=UMWeI25JD1yNYZRMpZ4VHvhZ9e0=", "")
end)

test.case("passwords are prepared as RFC 4013 has it", function()
	local examples = {
		{ "I\u{AD}X", "IX" }, { "user", "user" }, { "USER", "USER" }, { "\u{AA}", "a" }, { "\u{2168}", "IX" },
		{ "a\u{A0}b", "a b" }, { "e\u{301}", "\u{E9}" }, { "\u{1100}\u{1161}", "\u{AC00}" }, { "", "" },
		{ "\u{6C34}\u{2168}", "\u{6C34}IX" }, { "\u{627}\u{31}\u{628}", "\u{627}\u{31}\u{628}" },
		{ "\u{FDFA}", "\u{635}\u{644}\u{649} \u{627}\u{644}\u{644}\u{647} \u{639}\u{644}\u{64A}\u{647} "
			.. "\u{648}\u{633}\u{644}\u{645}" },
	}
	for _, example in ipairs(examples) do
		test.equal(digest.saslprep(example[1]), example[2])
	end
	local refused = {
		{ "\7", "control" }, { "a\0b", "control" }, { "\u{627}\u{31}", "directions" }, { "\u{627}a", "directions" },
		{ "\u{E000}", "prohibited" }, { "\u{1F600}", "Unicode 3.2" }, { "\xff", "UTF%-8" }, { ("x"):rep(5000), "longer" },
	}
	for _, example in ipairs(refused) do
		local prepared, why = digest.saslprep(example[1])
		test.equal(prepared, nil)
		test.matches(why, example[2])
	end
end)

test.case("names are escaped", function()
	test.equal(scram.new("SCRAM-SHA-256", "a=b,c", "x", "n").first, "n,,n=a=3Db=2Cc,r=n")
end)

test.case("a server that does not know the password is not believed", function()
	local c = start()
	c:step(FIRST)
	test.raises("signature is wrong", c.step, c, "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
	test.equal(c:verified(), false)
	c = start()
	c:step(FIRST)
	test.raises("signature is wrong", c.step, c, "")
	c = start()
	c:step(FIRST)
	test.raises("refused: no%-such%-user", c.step, c, "e=no-such-user")
end)

test.case("a first answer that is not one to ours is refused", function()
	test.raises("nonce", scram.step, start(), (FIRST:gsub("rOpr", "xxxx")))
	test.raises("nonce", scram.step, start(), (FIRST:gsub("%%hv[^,]*", "")))
	test.raises("iterations", scram.step, start(), (FIRST:gsub("4096", "4095")))
	test.raises("malformed", scram.step, start(), "")
	test.raises("malformed", scram.step, start(), (FIRST:gsub("s=[^,]*,", "")))
end)

test.case("an extension that must be known is refused, one that may be ignored is", function()
	for _, payload in ipairs {
		"m=x," .. FIRST, (FIRST:gsub("s=", "m=x,s=")), FIRST .. ",m=x", "m=," .. FIRST,
	} do
		test.raises("extension", scram.step, start(), payload)
	end
	test.matches(start():step(FIRST .. ",x=y"), "^c=biws")
	for _, payload in ipairs {
		FIRST .. "x", FIRST .. ".5", (FIRST:gsub("i=4096", "i=0x1000")), (FIRST:gsub("i=4096", "i=-4096")),
		(FIRST:gsub("i=4096", "i=")), (FIRST:gsub("i=4096", "i=" .. ("9"):rep(30))), (FIRST:gsub("s=[^,]*", "s=")),
		(FIRST:gsub("s=[^,]*", "s=*")), "i=4096," .. FIRST,
	} do
		test.raises("malformed", scram.step, start(), payload)
	end
end)

test.case("a server cannot keep us busy with iterations", function()
	local began = os.clock()
	for _, n in ipairs { 20000000, 999999999, 2147483648, 9999999999 } do
		test.raises("iterations, which would take %d+%.%d s", scram.step, start(), (FIRST:gsub("4096", n)))
	end
	test.truthy(os.clock() - began < 5)
	test.matches(start():step((FIRST:gsub("4096", "70000"))), "^c=biws")
end)

test.case("errors do not give the password away", function()
	local err = test.raises("control character", scram.new, "SCRAM-SHA-256", "u", "geheim\1")
	test.equal(err:find("geheim", 1, true), nil)
end)

test.run()

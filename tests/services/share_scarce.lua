-- A service that reads, updates and loads shared tables, and has little memory: `call(addr, "lua", seed, rounds)`.
local skynet = require "skynet"
local sharetable = require "skynet.sharetable"

skynet.memlimit(450000)

local places, junk = {}, {} -- luacheck: ignore (they hold)

local function step(random, round)
	local what = random(5)
	if what == 1 then
		local words = ("some words of %d"):format(round)
		sharetable.loadtable("scarce", { words = words, rows = { { round }, { "row " .. round } } })
	elseif what == 2 then
		sharetable.update "scarce"
	elseif what == 3 then
		local t = sharetable.query "scarce"
		places[random(30)] = t and { t.rows[2][1], t.words:gmatch "%a+", t.rows }
	elseif what == 4 then
		collectgarbage(({ "collect", "step", "generational", "incremental" })[random(4)])
	else
		places[random(30)] = nil
	end
	junk[#junk + 1] = random(3) == 1 and ("x"):rep(random(40000)) or nil
	junk = random(30) > 1 and junk or {}
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, seed, rounds)
		math.randomseed(seed)
		for round = 1, rounds do
			pcall(step, math.random, round)
		end
		places, junk = {}, {}
		collectgarbage()
		sharetable.update "scarce"
		collectgarbage()
		skynet.retpack()
	end)
end)

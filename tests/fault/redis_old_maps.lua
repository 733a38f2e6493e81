-- Nodes of a Redis Cluster that have been cut off, and know less than others: what a client has once been answered by a
-- slot's new owner, it never again reads from an older one, whoever tells it of the slots. The nodes follow a script:
-- they lose and gain slots as chance decides, with config epochs as Redis counts them, and hear of it sooner or later.
local core = require "reef.redis.core"
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local skynet = require "skynet"
local test = require "test"

local PEERS, RANGES, WIDTH = 5, 8, 2048

-- A range is claimed by (owner, epoch); `turn` counts its owners.
local function deployment(first_epoch)
	local self = { peers = {}, truth = {}, epochs = {}, highest = first_epoch + PEERS }
	for i = 1, PEERS do
		self.epochs[i] = first_epoch + i
	end
	for r = 1, RANGES do
		local owner = (r - 1) % PEERS + 1
		self.truth[r] = { owner = owner, epoch = self.epochs[owner], turn = 1 }
	end
	return self
end

local function hear(peer, self, r)
	peer.view[r] = self.truth[r]
end

local function change(self, r, owner)
	if self.epochs[owner] ~= self.highest then
		self.highest = self.highest + 1
		self.epochs[owner] = self.highest
	end
	local old = self.truth[r]
	for other = 1, RANGES do
		local claim = self.truth[other]
		-- Its other slots are claimed with the new epoch, too.
		if claim.owner == owner then
			self.truth[other] = { owner = owner, epoch = self.epochs[owner], turn = claim.turn }
		end
	end
	self.truth[r] = { owner = owner, epoch = self.epochs[owner], turn = old.turn + 1 }
	-- Who gets something is not cut off.
	for any = 1, RANGES do
		hear(self.peers[owner], self, any)
	end
end

local function slots_of(self, peer)
	local list = {}
	for r, claim in ipairs(peer.view) do
		list[r] = { (r - 1) * WIDTH, r * WIDTH - 1, { "127.0.0.1", self.peers[claim.owner].port, "id" .. claim.owner } }
	end
	return scripted.resp(list):sub(1, -3)
end

local function nodes_of(self, peer)
	local epochs, lines = {}, {}
	for _, claim in ipairs(peer.view) do
		epochs[claim.owner] = math.max(epochs[claim.owner] or 0, claim.epoch)
	end
	for i, one in ipairs(self.peers) do
		lines[i] = ("id%d 127.0.0.1:%d@1 %smaster - 0 0 %d connected"):format(i, one.port, one == peer and "myself," or "",
			epochs[i] or 0)
	end
	return scripted.resp(table.concat(lines, "\n") .. "\n"):sub(1, -3)
end

local function start(self, keys)
	for i = 1, PEERS do
		local peer
		peer = scripted.start(function(words)
			if words[1] == "CLUSTER" then
				return (words[2] == "SLOTS" and slots_of or nodes_of)(self, peer)
			elseif words[1] == "PING" then
				return "+PONG"
			elseif words[1] == "GET" then
				local r = keys[words[2]]
				local claim = peer.view[r]
				return claim.owner == i and ":" .. claim.turn
					or ("-MOVED %d 127.0.0.1:%d"):format((r - 1) * WIDTH, self.peers[claim.owner].port)
			end
		end)
		self.peers[i], peer.view = peer, table.move(self.truth, 1, RANGES, 1, {})
	end
	return self
end

-- A key of each range: by name its range, and by range its name.
local function keys_of_ranges()
	local keys, names, n = {}, {}, 0
	while n < RANGES do
		local name = ("k%d"):format(math.random(1 << 30))
		local r = core.slot(name) // WIDTH + 1
		if not names[r] then
			names[r], keys[name], n = name, r, n + 1
		end
	end
	return keys, names
end

local function connect(self, refresh)
	local hosts = {}
	for i, peer in ipairs(self.peers) do
		hosts[i] = "127.0.0.1:" .. peer.port
	end
	local db = redis.connect({ hosts = hosts }, { refresh = refresh, timeout = 5 })
	test.defer(pcall, db.disconnect, db)
	return db
end

local function sees_all(self, db, names)
	for r, name in ipairs(names) do
		if db:get(name) ~= self.truth[r].turn then
			return false
		end
	end
	return true
end

test.case("an older map is not believed: no slot goes back to who had it before", { timeout = 90 }, function()
	math.randomseed(test.seed)
	local back, reads, looks, went_back = {}, 0, 0, 0
	for round = 1, test.count(6) do
		local keys, names = keys_of_ranges()
		local self = start(deployment(math.random(0, 50)), keys)
		local db, seen, before = connect(self, 0.02), {}, #back
		for step = 1, 10 do
			change(self, math.random(RANGES), math.random(PEERS))
			-- Some hear of some of it; two of the nodes, each time others, of nothing.
			for i, peer in ipairs(self.peers) do
				for r = 1, (i + step // 3) % PEERS < 2 and 0 or RANGES do
					if math.random(3) > 1 then
						hear(peer, self, r)
					end
				end
			end
			for _ = 1, 4 do
				for r, name in ipairs(names) do
					local turn = db:get(name)
					reads = reads + 1
					if turn < (seen[r] or 0) then
						back[#back + 1] = ("round %d, step %d, range %d: %d after %d"):format(round, step, r, turn, seen[r])
					end
					seen[r] = math.max(turn, seen[r] or 0)
				end
				skynet.sleep(3)
			end
		end
		-- They all hear of it, and so do we.
		for _, peer in ipairs(self.peers) do
			for r = 1, RANGES do
				hear(peer, self, r)
			end
		end
		test.eventually("the newest map", 20, sees_all, self, db, names)
		looks = looks + db:status().looks
		went_back = went_back + (#back > before and 1 or 0)
		db:disconnect()
	end
	skynet.error(("%d reads, %d looks, %d went back in %d rounds"):format(reads, looks, #back, went_back))
	-- A look may have been before an owner got his newest epoch; then one that is older than that, but newer than what we
	-- know of him, is believed until the next look. It is rare: if all were believed, most rounds would have some.
	test.between(went_back, 0, 2, table.concat(back, "; "))
end)

test.case("a cluster that begins anew with low epochs is believed after a while", { timeout = 60 }, function()
	local keys, names = keys_of_ranges()
	local self = start(deployment(1000), keys)
	local db = connect(self, 0.1)
	test.truthy(sees_all(self, db, names))
	local new = deployment(0)
	self.truth, self.epochs = new.truth, new.epochs
	for r = 1, RANGES do
		self.truth[r] = { owner = 6 - self.truth[r].owner, epoch = 1, turn = 7 }
	end
	for _, peer in ipairs(self.peers) do
		for r = 1, RANGES do
			hear(peer, self, r)
		end
	end
	-- It works at once, by what the nodes say.
	test.truthy(sees_all(self, db, names))
	local before = db:status().redirections
	test.eventually("a map of its own", 30, function()
		test.truthy(sees_all(self, db, names))
		local now = db:status().redirections
		local same = now == before
		before = now
		skynet.sleep(20)
		return same
	end)
end)

test.run()

-- skynet.socketchannel against the API page: session mode.
local peer = require "test.line_server"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local line_server, channel = peer.line_server, peer.channel

-- Session mode: "session text".
local function read_session(sock)
	local session, text = sock:readline():match "^(%d+) (.*)$"
	if text == "no" then
		return tonumber(session), false, "refused"
	end
	return tonumber(session), true, text, text:match "%+$" ~= nil
end

test.case("in session mode replies may come in any order", function()
	local held = {}
	local port = line_server(function(line, id)
		table.insert(held, 1, line)
		if #held == 50 then
			local all = table.concat(held, "\n")
			held = {}
			socket.write(id, all .. "\n")
		end
	end)
	local ch = channel(port, { response = read_session })
	test.together(50, function(i)
		test.equal(ch:request(i .. " text" .. i .. "\n", i), "text" .. i)
	end)
end)

test.case("in session mode pieces are collected, refusals raised, strangers ignored", function()
	local port = line_server(function(line)
		local session = line:match "%d+"
		if session == "1" then
			return "1 a+\n999 stranger\n1 b+\n1 c"
		end
		return session .. " no"
	end)
	local ch = channel(port, { response = read_session })
	test.equal(ch:request("1\n", 1), { "a+", "b+", "c" })
	test.raises("refused$", ch.request, ch, "2\n", 2)
	test.equal(ch:request("1\n", 1), { "a+", "b+", "c" })
end)

test.case("in session mode too", function()
	local late
	local port = line_server(function(line, id)
		if line:match "slow" then
			late = function()
				socket.write(id, line .. "\n")
			end
			return
		end
		return line
	end)
	local ch = channel(port, { response = read_session, timeout = 0.1 })
	test.raises("no reply in time", ch.request, ch, "1 slow\n", 1)
	late()
	test.equal(ch:request("2 b\n", 2), "b")
	test.eventually("the late one", 10, function()
		return ch.tombstones == 0
	end)
end)

test.case("requests with the same session get their replies in their order, and each has its deadline", function()
	local late = {}
	local port = line_server(function(line, id)
		if line:find "never" then
			return nil
		elseif line:find "late" then
			late[#late + 1] = { id, line }
			return nil
		end
		for _, one in ipairs(late) do
			socket.write(one[1], one[2] .. "\n")
		end
		late = {}
		return line
	end)
	local ch = channel(port, { response = read_session, timeout = 1 })
	local results = {}
	for i, text in ipairs { "late a", "late b", "c", "never d" } do
		skynet.fork(function()
			local ok, value = pcall(ch.request, ch, "7 " .. text .. "\n", 7)
			results[i] = ok and value or value.code
		end)
	end
	test.eventually("all of them", 10, function()
		return results[1] and results[2] and results[3] and results[4]
	end)
	test.equal(results, { "late a", "late b", "c", "timeout" })
	-- Whose time was over: its late reply is not taken for the next one's.
	test.equal(select(2, pcall(ch.request, ch, "8 late e\n", 8, nil, 0.05)).code, "timeout")
	test.equal(ch:request("8 f\n", 8), "f")
	-- Nobody owes a reply to a response.
	for _ = 1, 5 do
		test.equal(select(2, pcall(ch.response, ch, 9, 0.01)).code, "timeout")
	end
	test.equal(ch:request("9 g\n", 9), "g")
end)

test.run()

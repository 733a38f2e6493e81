-- How two ends of a WebSocket agree on compressing messages: permessage-deflate (RFC 7692, section 7.1).
local options = require "reef.options"

local deflate = {}

local NAME = "permessage-deflate"

---What an end brings along. With a window of N bits, sending takes 2^N * 4 bytes, receiving 2^N.
---@class reef.http.deflate.options
---@field level integer             1 (fast) to 9 (small)
---@field window_bits integer       9 to 15: of what is sent, and, if the peer agrees, of what comes
---@field context_takeover boolean  false: each message stands for itself, both ways
---@field smallest integer          bytes of a message that is compressed
local defaults = { level = 6, window_bits = 12, context_takeover = true, smallest = 128 }

---@param given boolean|table|nil  true: the defaults
---@return reef.http.deflate.options|nil  nil: nothing is compressed
function deflate.options(given)
	if not given then
		return nil
	end
	local result = {}
	given = given == true and {} or given
	options.check("websocket: deflate", given, defaults)
	for name, default in pairs(defaults) do
		local value = given[name]
		if value == nil then
			value = default
		elseif type(value) ~= type(default) then
			error(("websocket: deflate: %s has to be a %s"):format(name, type(default)))
		end
		result[name] = value
	end
	local bits = result.window_bits
	if bits < 9 or bits > 15 then
		error("websocket: deflate: window_bits has to be 9 to 15")
	end
	return result
end

-- ---- the field Sec-WebSocket-Extensions ----

local known = {
	server_no_context_takeover = true, client_no_context_takeover = true, server_max_window_bits = true,
	client_max_window_bits = true,
}

-- Parameters of one extension; nil: one is wrong, unknown, or there twice. `true` is one without a value.
local function parameters(text)
	local found = {}
	for part in text:gmatch "[^;]+" do
		local name, value = part:match "^%s*([%w_]+)%s*=%s*(%S+)%s*$"
		name = name or part:match "^%s*([%w_]+)%s*$"
		if not name or not known[name] or found[name] ~= nil then
			return nil
		end
		if name:find "bits$" then
			if value then
				value = value:match '^"?([1-9]%d?)"?$'
				value = value and math.tointeger(tonumber(value))
				if not value or value < 8 or value > 15 then
					return nil
				end
			end
		elseif value then
			return nil
		end
		found[name] = value or true
	end
	return found
end

-- What is offered or accepted: `name` and the text of the parameters, one after the other.
local function each(field)
	if type(field) == "table" then
		field = table.concat(field, ",")
	end
	return (field or ""):gmatch "%s*([^,;%s]+)%s*;?([^,]*)"
end

local function agreed(own, send_bits, receive_bits, send_fresh, receive_fresh)
	return {
		send_bits = math.min(own.window_bits, send_bits), receive_bits = receive_bits, level = own.level,
		send_fresh = send_fresh, receive_fresh = receive_fresh, smallest = own.smallest,
	}
end

---What a server answers to what a client offers.
---@param field string|string[]|nil  Sec-WebSocket-Extensions of the request
---@param own reef.http.deflate.options
---@return string|nil answer  value of the field; nil: nothing is compressed
---@return table|nil agreed   for reef.http.frames
function deflate.answer(field, own)
	for name, text in each(field) do
		local offer = name:lower() == NAME and parameters(text)
		local wanted = offer and offer.server_max_window_bits
		-- zlib has no window of 8 bits, and a client has to say how many.
		if offer and wanted ~= true and wanted ~= 8 then
			local answer = { NAME }
			local fresh = not own.context_takeover
			local send_fresh = fresh or offer.server_no_context_takeover ~= nil
			local receive_fresh = fresh or offer.client_no_context_takeover ~= nil
			if send_fresh then
				answer[#answer + 1] = "server_no_context_takeover"
			end
			if receive_fresh then
				answer[#answer + 1] = "client_no_context_takeover"
			end
			if wanted then
				answer[#answer + 1] = ("server_max_window_bits=%d"):format(math.min(wanted, own.window_bits))
			end
			local receive_bits = 15
			if offer.client_max_window_bits then
				local most = offer.client_max_window_bits
				receive_bits = math.min(most == true and 15 or most, own.window_bits)
				answer[#answer + 1] = ("client_max_window_bits=%d"):format(receive_bits)
			end
			return table.concat(answer, "; "), agreed(own, wanted or 15, receive_bits, send_fresh, receive_fresh)
		end
	end
	return nil
end

---What a client offers.
---@param own reef.http.deflate.options
---@return string
function deflate.offer(own)
	local fresh = own.context_takeover and "" or "; server_no_context_takeover; client_no_context_takeover"
	return ("%s; client_max_window_bits; server_max_window_bits=%d%s"):format(NAME, own.window_bits, fresh)
end

---What a client makes of a server's answer.
---@param field string|string[]|nil  Sec-WebSocket-Extensions of the response
---@param own reef.http.deflate.options|nil
---@return table|nil agreed  for reef.http.frames; nil: nothing is compressed
---@return string|nil fault
function deflate.accepted(field, own)
	local result
	for name, text in each(field) do
		local answer = own and not result and name:lower() == NAME and parameters(text)
		if not answer then
			return nil, "the server uses an extension that nobody asked for, or in another way"
		end
		local receive, send = answer.server_max_window_bits or 15, answer.client_max_window_bits or 15
		if receive == true or send == true or (answer.server_max_window_bits and receive > own.window_bits)
			or (not own.context_takeover and not answer.server_no_context_takeover) then
			return nil, "the server does not compress as it was asked to"
		end
		result = agreed(own, send, receive, answer.client_no_context_takeover ~= nil or not own.context_takeover,
			answer.server_no_context_takeover ~= nil)
	end
	return result
end

return deflate

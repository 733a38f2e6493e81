-- A page in Chromium, driven over the DevTools protocol.
--
--     local page = require("test.browser").open "http://127.0.0.1:9464/"   -- nil: no browser here
--     page:evaluate "document.title"
--     page:eventually("the list", 30, "document.querySelectorAll('li').length === 3")
--     page:key "Tab"   page:size(390, 844)   page:close()
local httpc = require "http.httpc"
local json = require "reef.json"
local process = require "test.process"
local test = require "test"
local websocket = require "http.websocket"

---@class test.browser
---@field id integer
---@field n integer
---@field browser table
local browser = {}
browser.__index = browser

---@param url string
---@return test.browser|nil
function browser.open(url)
	if (process.run { "sh", "-c", "command -v chromium" }) ~= 0 then
		return nil
	end
	local child = process.start {
		"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir=" .. process.path "chromium", "--remote-debugging-port=0", url,
	}
	local host = child:expect("DevTools listening on ws://([^/]+)/", 60)
	local target
	test.eventually("the page in the browser", 60, function()
		local _, list = httpc.get(host, "/json/list")
		for _, one in ipairs(require("test.json").decode(list)) do
			target = one.type == "page" and one.url:sub(1, #url) == url and one.webSocketDebuggerUrl or target
		end
		return target
	end)
	local id = websocket.connect(target, nil, nil, { max_message = 16 << 20 })
	local self = setmetatable({ id = id, n = 0, browser = child }, browser)
	test.eventually("it is loaded", 60, function()
		local ok, place = pcall(self.evaluate, self, "document.readyState === 'complete' && location.href")
		return ok and place and place:sub(1, #url) == url
	end)
	return self
end

---Sends a command of the protocol.
---@param method string
---@param parameters table|nil
---@return table result
function browser:ask(method, parameters)
	self.n = self.n + 1
	websocket.write(self.id, json.encode { id = self.n, method = method, params = parameters or {} })
	while true do
		local answer = require("test.json").decode((assert(websocket.read(self.id))))
		if answer.id == self.n then
			return answer.result or test.fail(("%s: %s"):format(method, answer.error.message))
		end
	end
end

---The value of an expression of JavaScript; of a promise, what it comes to.
---@param expression string
---@return any
function browser:evaluate(expression)
	local answer = self:ask("Runtime.evaluate", { expression = expression, returnByValue = true, awaitPromise = true })
	if answer.exceptionDetails then
		test.fail(("%s: %s"):format(expression:sub(1, 200), answer.exceptionDetails.exception.description))
	end
	return answer.result.value
end

---@param what string
---@param seconds number
---@param expression string
function browser:eventually(what, seconds, expression)
	test.eventually(what, seconds, function()
		return self:evaluate(expression)
	end)
end

local KEYS <const> = { Tab = 9, Enter = 13, Escape = 27, ArrowLeft = 37, ArrowRight = 39, Home = 36, End = 35 }

---Presses a key and lets it go.
---@param key string  its name in JavaScript
function browser:key(key)
	local code = KEYS[key]
	self:ask("Input.dispatchKeyEvent", { type = key == "Enter" and "keyDown" or "rawKeyDown", key = key,
		windowsVirtualKeyCode = code, text = key == "Enter" and "\r" or nil })
	self:ask("Input.dispatchKeyEvent", { type = "keyUp", key = key, windowsVirtualKeyCode = code })
end

---@param width integer  pixels
---@param height integer
function browser:size(width, height)
	self:ask("Emulation.setDeviceMetricsOverride",
		{ width = width, height = height, deviceScaleFactor = 1, mobile = width < 600 })
end

---@param dark boolean
function browser:dark(dark)
	self:ask("Emulation.setEmulatedMedia",
		{ features = { { name = "prefers-color-scheme", value = dark and "dark" or "light" } } })
end

---A picture of what is shown, as a PNG.
---@param path string
function browser:picture(path)
	local file = assert(io.open(path, "wb"))
	file:write(require("skynet.crypt").base64decode(self:ask("Page.captureScreenshot", { format = "png" }).data))
	file:close()
end

function browser:close()
	self:ask "Browser.close"
	websocket.close(self.id)
	self.browser:wait(60)
end

return browser

-- CPU time of single coroutines: `profile.start()`, work, `profile.stop()` gives the seconds that this coroutine ran.
-- What other coroutines do meanwhile does not count.

local core = require "skynet.core"

local profile = {
	resume = coroutine.resume,
	wrap = coroutine.wrap,
}

---@param thread? thread the running one by default
function profile.start(thread)
	if not core.profile_start(thread) then
		error("profile.start: this coroutine is measured already")
	end
end

---@param thread? thread the running one by default
---@return number seconds
function profile.stop(thread)
	return core.profile_stop(thread) or error("profile.stop: this coroutine is not measured")
end

return profile

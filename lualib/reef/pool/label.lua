-- What a pool is called in statistics, metrics and records. The directory makes it distinct (service/reef_pools).
local clean = require("reef.text").clean

---@param kind string              "redis"
---@param place string             "127.0.0.1:6379/0"
---@param name string|number|nil   what tells it from others of the same place: the option `pool` and the like
---@return string
return function(kind, place, name)
	return clean(("%s %s%s"):format(kind, place, name and " " .. name or ""))
end

local M = {}
M.__index = M
local counter = 0
function M.new(v) counter = counter + 1 return setmetatable({ v = v }, M) end
function M:add(n) self.v = self.v + n return self end
function M:fail() error('failed on purpose') end
function M.count() return counter end
function M.global() return math.floor(2.5), string.format('%5.1f', 1) end
local function nested(a) return function(b) return function(c) return a + b + c end end end
function M.nested() return nested(1)(2)(3) end
function M.const() return 'a string constant that is longer than forty characters, so not a short one', 'short one' end
function M.vararg(...) return select('#', ...), ... end
return M

-- What a service does last: functions that `skynet.exit` calls, in their order, for modules that have something to hand
-- over. They do not wait. A service that is killed, or whose main file ends, calls none.
---@type fun()[]
return {}

-- One pool of connections to an SQL server: see reef.sql.keeper. Started by the service `reef_pools`.
local keeper = require "reef.sql.keeper"
local skynet = require "skynet"

skynet.start(keeper.run)

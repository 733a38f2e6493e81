-- One connection pool: see reef.pool.service. Started by the service `reef_pools`.
local service = require "reef.pool.service"
local skynet = require "skynet"

skynet.start(service.run)

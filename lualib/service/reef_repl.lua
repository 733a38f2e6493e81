-- The service of `reef repl`.
local skynet = require "skynet"

skynet.start(require("reef.repl").start)

-- The master of a harbor network: see reef.harbor.master. Started on the node whose configuration has `standalone`.
local skynet = require "skynet"

require("reef.harbor.master").run(skynet.getenv "standalone")

-- `.cslave` of a node of a harbor network: see reef.harbor.slave.
require("reef.harbor.slave").run()

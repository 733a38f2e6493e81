-- What is published and subscribed to in this process: see reef.bus.service. Started by reef.bus when it is first used.
require("reef.bus.service").run()

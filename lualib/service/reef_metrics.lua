-- Numbers about the process, over HTTP; see reef.metrics.
require("skynet").start(require("reef.metrics.server").run)

-- Gathers spans of traces; see reef.trace.
require("skynet").start(require("reef.trace.service").run)

-- The options of Redis connections by their names.

local known = {}

-- What each is, as its value is written in a URI: "number", "text", or false if it is nothing for a URI.
known.kinds = {
	uri = false, host = false, path = false, overload = false, gap = false, limits = false,
	port = "number", db = "number", resp = "number", timeout = "number", connect_timeout = "number", pool = "number",
	heartbeat = "number",
	name = "text", errors = "text", auth = "text", username = "text",
	tls = "boolean",
	hosts = "list", cluster = "boolean", read = "text", nat = false, refresh = "number",
	zone = "text", zones = false,
	sentinels = "list", master = "text", sentinel_username = "text", sentinel_auth = "text", sentinel_tls = "boolean",
	credentials = "text", info = "boolean",
}
known.limits = {
	reply = "number", elements = "number", depth = "number", tombstones = "number", unsent = "number",
	queue = "number", queue_bytes = "number",
}
-- Names that others use.
known.aliases = { password = "auth", passwd = "auth", pass = "auth", user = "username", database = "db", url = "uri" }

return known

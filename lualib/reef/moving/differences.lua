-- What is here and differs from what a project written for skynet may rely on. By what it is about: `module`,
-- `module.member`, `object:method` (as reef.moving.contract writes the object), `service NAME`, `config KEY`, `log`,
-- `process`. `docs/moving.md` and `reef doctor` say the same from here. Each is one sentence without its last full stop.

---@type table<string, string>
return {
	-- The process
	["process"] = "a start service that fails ends the process with exit code 1",
	["log"] = "a line that says the same as many others comes at most once a second; control characters are shown, passwords hidden",

	["debug"] = "shows no upvalues of functions of C and no user values, and changes nothing that these keep",

	-- skynet
	["skynet"] = "functions come into the table when they are first used: `rawget(skynet, \"send\")` may be nil; `pairs` shows all",
	["skynet.call"] = "`call failed` is followed by the reason; callers of a killed service get an error instead of waiting for ever",
	["skynet.newservice"] = "what it raises carries the reason, not only the log",
	["skynet.response"] = "one that is collected unused fails its call instead of leaving it open",
	["skynet.uniqueservice"] = "starts that wait for each other in a circle are refused instead of waiting for ever",
	["skynet.manager.kill"] = "callers of what is killed get an error",
	["skynet.manager.abort"] = "asks nobody: the log says which shutdown hooks it has left out",
	["skynet.manager.launch"] = "C services are compiled against the installed `skynet.h`",
	["skynet.core"] = "internal: what is listed is there, other fields are Reef's own",
	["skynet.codecache.clear"] = "frees what nobody uses any more",
	["skynet.datasheet.query"] = "numbers keep their precision; any service may build and read; nothing waits for a builder",
	["skynet.sharedata.query"] = "a name that is not known is an error that says so",
	["skynet.sharetable.loadfile"] = "its arguments are anything that can be shared; errors carry the reason and leave the old version",
	["skynet.sharetable.update"] = "all or nothing; one table may be reached by several paths; what is not referenced any more is freed",

	-- Sockets
	["skynet.socket.open"] = "names are looked up without blocking, and there is a deadline (30 s)",
	["skynet.socket.write"] = "a connection for which more than `socket_write_limit` (512 MB) waits to be sent is closed",
	["skynet.socket.readline"] = "a line longer than `socket_line_limit` (16 MB) closes the connection",
	["skynet.socket.close"] = "what waits to be sent has `socket_linger` (60 s), then it is cut",
	["skynet.socket.resolve"] = "does not block a worker; it yields",

	-- Gates
	["snax.loginserver"] = "a client has 10 s to log in (`timeout`), and 1024 do so at a time (`maxclient`)",
	["snax.msgserver.start"] = "the first packet has 10 s (`greeting_time`); what a user has under way, what is kept and what waits for a client is bounded",
	["snax.gateserver.start"] = "a packet that has begun has five minutes to be whole (`packet_time`)",

	-- HTTP
	["http.httpd.read_request"] = "what two servers could read in two ways is refused, folded fields too; 60 s and 64 MB are the limits",
	["http.httpd.write_response"] = "a field that may be there once is, or is an error; pieces whose length the fields say are no chunks; 204 and 304 have no body",
	["http.httpc"] = "https verifies the server's certificate and name (`httpc.tls`); `Host` is sent once; a server may be silent for 60 s (`idle_timeout`), and answer with 256 MB (`limits`)",
	["http.websocket.connect"] = "frames are masked, and wss verifies the certificate",
	["http.websocket.accept"] = "frames that are not masked are refused; silent peers are pinged and let go (`websocket.idle_timeout`); `close` gets a code that came without a reason",
	["http.tlshelper.newtls"] = "a client verifies the certificate and has to name the server (`ctx:set_options`)",
	["ltls.c"] = "needs no `enablessl`",

	-- Databases
	["skynet.db.redis.connect"] = "`SELECT` and `AUTH` hold for later connections; blocking commands go over connections of their own",
	["skynet.db.mysql.connect"] = "a statement has 30 s (`timeout`); `LOAD DATA LOCAL` is off; without TLS no password is sent in the clear",
	["skynet.db.mongo.client"] = "a client watches its deployment and keeps a pool of connections; SCRAM-SHA-256 and TLS are there",
	["redis.connect():get"] = "for any command: what has no text (nil, functions, plain tables) is refused before it is sent; 10 s is the deadline (`timeout`)",
	["db.collection:insert"] = "waits for the server, says in the log when it fails, and answers `ok, err, reply`; so do `batch_insert` and `insert_many`",
	["db.collection:update"] = "waits for the server, as `insert` does; so does `batch_update`",
	["db.collection:delete"] = "waits for the server, as `insert` does",
	["collection:find():sort"] = "a plain table with several keys has no order and is refused: `{ a = 1 }, { b = -1 }`, or `bson.document`",
	["bson.decode"] = "integers, dates with milliseconds and arrays stay what they are; decimal128 and undefined are known types",

	-- Other processes
	["skynet.cluster.call"] = "`call failed` is followed by the reason, and by what became of the request; a peer that is gone without a word is found out",
	["skynet.cluster.send"] = "what is lost is counted in the log",

	-- Services
	["service debug_console"] = "over HTTP it answers only requests with `console_http_token`",

	-- Configuration
	["config harbor"] = "0 by default",
	["config lualoader"] = "a path that ends in `lualib/loader.lua` means Reef's own loader",
	["config luaservice"] = "Reef's own services come first, or where `@reef` stands among the patterns",
	["config lua_path"] = "Reef's own modules come first; modules for Lua 5.4 of the distribution come last, and need no entry",
	["config lua_cpath"] = "Reef's own modules come first; modules for Lua 5.4 of the distribution come last, and need no entry",
	["config thread"] = "must be 1 to 1024; workers are all threads there are, one for each core is plenty",
	["config enablessl"] = "not needed: TLS is there",
}

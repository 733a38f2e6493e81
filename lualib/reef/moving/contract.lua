-- The names that projects written for skynet may use: what `docs/moving.md` lists and `reef doctor` knows. Names only;
-- what is there is asked of the running process (reef.moving.presence, scripts/moving), what differs is in
-- reef.moving.differences.
--
-- A list of names is one text. `name` is a function, `name/2` one that takes at least so many arguments, `=name` a
-- value, `?name` a field that is nil until it is set.

---@class reef.moving.part
---@field title string
---@field module? string what `require` takes
---@field object? string how the object is written in the page; `make` makes it (scripts/moving_objects.lua)
---@field make? string
---@field of? string for an object or commands: the module or service that they belong to
---@field commands? string names of a service's or protocol's commands, which `file` of ours (or several) handles
---@field file? string
---@field names? string

---@class reef.moving.chapter
---@field title string
---@field parts reef.moving.part[]

---@type reef.moving.chapter[]
local chapters = {}

chapters[#chapters + 1] = { title = "Services", parts = {
	{ module = "skynet", names = [[
		start init exit newservice uniqueservice queryservice
		send rawsend call rawcall tracecall redirect ret retpack response ignoreret context genid
		register_protocol dispatch dispatch_unknown_request dispatch_unknown_response dispatch_message
		fork timeout sleep yield wait wakeup killthread now starttime time hpc request
		self localname address harbor getenv setenv error stat mqlen endless task uniqtask info_func memlimit term
		trace tracetag traceproto trace_timeout tracelog init_service pack packstring unpack tostring trash pcall
		=cache =_proto
		=PTYPE_TEXT =PTYPE_RESPONSE =PTYPE_MULTICAST =PTYPE_CLIENT =PTYPE_SYSTEM =PTYPE_HARBOR =PTYPE_SOCKET
		=PTYPE_ERROR =PTYPE_QUEUE =PTYPE_DEBUG =PTYPE_LUA =PTYPE_SNAX =PTYPE_TRACE ]] },
	{ object = "skynet.request()", make = "request", of = "skynet", names = "add select close ?timeout" },
	{ module = "skynet.manager", names = "launch kill abort register name forward_type filter monitor" },
	{ module = "skynet.core", names = [[ send redirect genid command intcommand addresscommand error harbor callback trace
		tostring pack unpack packstring trash now hpc ]] },
	{ module = "skynet.queue" },
	{ module = "skynet.coroutine",
		names = "create resume yield status running isyieldable wrap close thread" },
	{ module = "skynet.require", names = "require init init_all" },
	{ module = "skynet.service", names = "new/2 query close" },
	{ module = "skynet.codecache", names = "mode clear loadfile" },
	{ module = "skynet.inject" },
	{ module = "skynet.debug", names = "reg_debugcmd" },
	{ module = "skynet.profile", names = "start stop resume wrap" },
	{ module = "skynet.memory",
		names = "total block info current dump dumpinfo jestat mallctl dumpheap profactive" },
	{ module = "skynet.mqueue", names = "register call send size" },
	{ module = "skynet.harbor", names = "globalname queryname link linkmaster connect" },
	{ module = "skynet.datacenter", names = "set get wait" },
	{ module = "skynet.multicast", names = "new" },
	{ object = "multicast.new()", make = "multicast", of = "skynet.multicast",
		names = "publish subscribe unsubscribe delete =channel" },
	{ commands = "LAUNCH LOGLAUNCH LIST STAT MEM GC KILL REMOVE ERROR LAUNCHOK QUERY", of = ".launcher",
		file = "lualib/service/launcher.lua" },
	{ commands = "LAUNCH QUERY GLAUNCH GQUERY LIST REPORT", of = ".service", file = "lualib/service/service_mgr.lua" },
	{ commands = [[ MEM GC STAT TASK UNIQTASK KILLTASK INFO EXIT RUN TERM SUPPORT PING LINK TRACELOG REMOTEDEBUG ]],
		of = "debug protocol", file = "lualib/reef/debug/commands.lua" },
	{ commands = [[ help list stat mem gc service start log snax exit kill info task uniqtask killtask dbgcmd ping inject
		call logon logoff signal clearcache trace debug cmem jmem profactive dumpheap netstat getenv setenv ]],
		of = "debug_console", file = "lualib/service/debug_console/commands.lua" },
} }

chapters[#chapters + 1] = { title = "Sockets", parts = {
	{ module = "skynet.socket", names = [[ open listen start bind stdin pause abandon close close_fd shutdown
		read readall readline block write lwrite limit warning onclose invalid disconnected
		udp udp_connect udp_listen udp_dial sendto udp_address header resolve netstat ]] },
	{ module = "skynet.socketdriver", names = [[ connect close shutdown listen send lsend bind start pause nodelay
		udp udp_connect udp_dial udp_listen udp_send udp_address
		buffer push pop readline readall clear drop unpack header str2p info resolve ]] },
	{ module = "skynet.socketchannel", names = "channel =error" },
	{ object = "socketchannel.channel{}", make = "channel", of = "skynet.socketchannel",
		names = "connect request response close changehost changebackup =__host =__port" },
	{ module = "skynet.dns", names = "server resolve flush =DEFAULT_HOSTS =DEFAULT_RESOLV_CONF" },
} }

chapters[#chapters + 1] = { title = "Gates and snax", parts = {
	{ module = "snax.gateserver", names = "start openclient closeclient" },
	{ module = "snax.loginserver" },
	{ module = "snax.msgserver", names = "start userid username login logout ip" },
	{ module = "skynet.netpack", names = "pack tostring filter pop clear" },
	{ commands = "open close forward accept kick", of = "gate",
		file = "lualib/service/gate.lua lualib/snax/gateserver.lua" },
	{ module = "client.socket", names = "connect send recv close readstdin usleep" },
	{ module = "skynet.snax", names = [[ newservice rawnewservice bind uniqueservice globalservice queryservice queryglobal
		self exit kill hotfix printf interface profile_info enablecluster ]] },
	{ object = "snax.newservice()", make = "snax", of = "skynet.snax", names = "=post =req =handle =type" },
} }

chapters[#chapters + 1] = { title = "HTTP, WebSocket, TLS", parts = {
	{ module = "http.httpd", names = "read_request write_response" },
	{ module = "http.sockethelper", names = "readfunc writefunc readall connect close shutdown =socket_error" },
	{ module = "http.httpc", names = "request get post head request_stream dns ?timeout" },
	{ object = "httpc.request_stream()", make = "stream", of = "http.httpc", names = "close =status =header =connected" },
	{ module = "http.url", names = "parse parse_query" },
	{ module = "http.websocket", names = "accept connect read write ping close addrinfo real_ip is_close" },
	{ module = "http.tlshelper",
		names = "newctx newtls init_requestfunc init_responsefunc closefunc readfunc writefunc readallfunc" },
	{ object = "tlshelper.newctx()", make = "tls", of = "http.tlshelper", names = "set_cert set_ciphers" },
	{ module = "ltls.c", names = "newctx newtls" },
} }

chapters[#chapters + 1] = { title = "Other processes", parts = {
	{ module = "skynet.cluster", names = "reload open call send register unregister query proxy snax get_sender" },
} }

chapters[#chapters + 1] = { title = "Shared data", parts = {
	{ module = "skynet.sharetable", names = "loadfile loadstring loadtable query queryall update" },
	{ module = "skynet.datasheet", names = "query" },
	{ module = "skynet.datasheet.builder", names = "new update compile" },
	{ module = "skynet.sharedata", names = "new update delete query deepcopy flush" },
	{ module = "skynet.sharedata.corelib", names = "=host box update flush copy next" },
	{ object = "corelib.host", make = "corelib", of = "skynet.sharedata.corelib",
		names = "new delete getref markdirty incref decref" },
	{ module = "skynet.stm", names = "new copy newcopy" },
	{ module = "skynet.sharemap", names = "register writer reader" },
	{ object = "sharemap.writer()", make = "sharemap_writer", of = "skynet.sharemap", names = "commit copy" },
	{ object = "sharemap.reader()", make = "sharemap_reader", of = "skynet.sharemap", names = "update" },
} }

chapters[#chapters + 1] = { title = "sproto", parts = {
	{ module = "sproto", names = "new parse sharenew pack unpack" },
	{ object = "sproto.parse()", make = "sproto", of = "sproto", names = [[ encode decode pencode pdecode request_encode
		request_decode response_encode response_decode exist_type exist_proto queryproto default host ]] },
	{ object = "sproto:host()", make = "sproto_host", of = "sproto", names = "dispatch attach" },
	{ module = "sproto.core" },
	{ module = "sprotoparser", names = "parse" },
	{ module = "sprotoloader", names = "register save load" },
} }

chapters[#chapters + 1] = { title = "Databases", parts = {
	{ module = "skynet.db.redis", names = "connect watch" },
	{ object = "redis.connect()", make = "redis", of = "skynet.db.redis",
		names = "disconnect pipeline exists sismember get set" },
	{ object = "redis.watch()", make = "redis_watch", of = "skynet.db.redis",
		names = "subscribe psubscribe unsubscribe punsubscribe message disconnect" },
	{ module = "skynet.db.redis.cluster", names = "new" },
	{ object = "cluster.new()", make = "redis_cluster", of = "skynet.db.redis.cluster", names = [[ call
		get_random_connection get_connection_by_slot keyslot subscribe psubscribe close_all_connection
		flush_slots_cache =connections ]] },
	{ module = "skynet.db.mongo", names = "client enable type =null =minkey =maxkey" },
	{ object = "mongo.client()", make = "mongo_client", of = "skynet.db.mongo",
		names = "getDB disconnect runCommand logout genId bulkWrite" },
	{ object = "client.db", make = "mongo_database", of = "skynet.db.mongo",
		names = "runCommand send_command auth getCollection" },
	{ object = "db.collection", make = "mongo_collection", of = "skynet.db.mongo", names = [[ insert safe_insert
		raw_safe_insert batch_insert insert_many safe_batch_insert safe_insert_many update safe_update batch_update
		safe_batch_update raw_safe_update raw_safe_delete delete safe_delete safe_batch_delete findOne find findAndModify
		aggregate createIndex ensureIndex createIndexes drop dropIndex ]] },
	{ object = "collection:find()", make = "mongo_find", of = "skynet.db.mongo",
		names = "sort skip limit hint maxTimeMS batchSize count hasNext next close" },
	{ object = "collection:aggregate()", make = "mongo_aggregate", of = "skynet.db.mongo",
		names = "sort skip limit count hasNext next close" },
	{ object = "db with transactions", make = "mongo_transactions", of = "skynet.db.mongo", names = "run_transaction" },
	{ module = "bson", names = [[ encode encode_order decode objectid date timestamp regex binary int64 type
		to_lightuserdata =null =minkey =maxkey ]] },
	{ object = "bson.encode()", make = "bson", of = "bson", names = "decode makeindex" },
	{ module = "skynet.db.mysql", names = "connect quote_sql_str" },
	{ object = "mysql.connect()", make = "mysql", of = "skynet.db.mysql",
		names = "query prepare execute stmt_reset stmt_close ping server_ver disconnect set_compact_arrays" },
} }

local crypt = [[ randomkey hashkey desencode desdecode hexencode hexdecode base64encode base64decode sha1 hmac_sha1
	hmac64 hmac64_md5 hmac_hash dhexchange dhsecret xor_str =padding ]]

chapters[#chapters + 1] = { title = "Digests", parts = {
	{ module = "skynet.crypt", names = crypt },
	{ module = "client.crypt", names = crypt },
	{ module = "md5", names = "sum sumhexa hmacmd5 exor crypt decrypt" },
} }

---@class reef.moving.contract
local contract = { chapters = chapters }

---Services that projects start or find by name.
contract.services = {
	"bootstrap", "launcher", "service_mgr", "service_provider", "service_cell", "cdummy", "cmaster", "cslave",
	"datacenterd",
	"clusterd", "clusteragent", "clusterproxy", "clustersender", "multicastd", "sharedatad", "snaxd", "gate", "console",
	"dbg", "debug_console", "cmemory",
}

---Services in C, by what `skynet.launch` takes.
contract.c_services = { "snlua", "logger", "gate" }

contract.config = {
	"thread", "cpath", "harbor", "bootstrap", "logger", "logservice", "logpath", "daemon", "profile", "lua_path",
	"lua_cpath", "luaservice", "lualoader", "preload", "start", "standalone", "master", "address", "cluster", "snax",
	"snax_interface_g", "snax_loader", "enablessl", "certfile", "keyfile",
}

---Functions of C services (`skynet.h` and its neighbours).
contract.c_functions = {
	"skynet_error", "skynet_callback", "skynet_send", "skynet_sendname", "skynet_command", "skynet_queryname",
	"skynet_isremote", "skynet_current_handle", "skynet_now", "skynet_malloc", "skynet_calloc", "skynet_realloc",
	"skynet_free", "skynet_strdup", "skynet_lalloc", "skynet_memalign", "skynet_aligned_alloc", "skynet_posix_memalign",
	"skynet_socket_listen", "skynet_socket_connect", "skynet_socket_bind", "skynet_socket_close", "skynet_socket_shutdown",
	"skynet_socket_start", "skynet_socket_pause", "skynet_socket_nodelay", "skynet_socket_sendbuffer",
	"skynet_socket_sendbuffer_lowpriority", "skynet_socket_udp", "skynet_socket_udp_connect", "skynet_socket_udp_dial",
	"skynet_socket_udp_listen", "skynet_socket_udp_sendbuffer", "skynet_socket_udp_address", "skynet_socket_info",
}

contract.c_commands = {
	"TIMEOUT", "REG", "QUERY", "NAME", "EXIT", "KILL", "ABORT", "LAUNCH", "GETENV", "SETENV", "STARTTIME", "MONITOR",
	"STAT", "LOGON", "LOGOFF", "SIGNAL",
}

---@class reef.moving.name
---@field name string
---@field kind "function"|"value"|"field"
---@field arity? integer

---The names of a list.
---@param names string?
---@return reef.moving.name[]
function contract.names(names)
	local list = {}
	for word in (names or ""):gmatch "%S+" do
		local mark, name, arity = word:match "^([=?]?)([%w_]+)/?(%d*)$"
		list[#list + 1] = {
			name = name,
			kind = mark == "=" and "value" or mark == "?" and "field" or "function",
			arity = tonumber(arity),
		}
	end
	return list
end

return contract

-- Errors of a server that are about the connection: there is no use in it as long as one stays with that server.
-- "master": a server is better if it is a master; true: if it lets us in.

---@type table<string, "master"|true>  by the first word of the error
return { READONLY = "master", MASTERDOWN = "master", LOADING = true, NOAUTH = true }

---@meta http.tlshelper
-- What of it comes from ltls.c.

local tlshelper = {}

---Options of a connection.
---@return ltls.ctx
function tlshelper.newctx() end

---@param role "client"|"server"
---@param context ltls.ctx
---@param hostname? string client: who the server has to be
---@return ltls.tls
function tlshelper.newtls(role, context, hostname) end

return tlshelper

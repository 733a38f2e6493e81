---@meta md5
-- MD5, by the names of the library `md5`. It proves nothing about who wrote something: for that there is
-- `skynet.crypt.hmac_sha1`.

local md5 = {}

---@param text string
---@return string digest 16 bytes
function md5.sum(text) end

---@param text string
---@return string digest hexadecimal
function md5.sumhexa(text) end

---@param text string
---@param key string
---@return string digest hexadecimal
function md5.hmacmd5(text, key) end

---Exclusive or. Raises when the lengths differ.
---@param a string
---@param b string
---@return string
function md5.exor(a, b) end

---Encrypts with a stream that MD5 makes of the key.
---@param text string
---@param key string
---@param seed? string random bytes by default
---@return string
function md5.crypt(text, key, seed) end

---@param text string what `crypt` returned
---@param key string
---@return string
function md5.decrypt(text, key) end

return md5

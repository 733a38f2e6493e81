---@meta skynet.crypt
-- Digests, encodings and the key exchange of snax.loginserver. For clients there is the same as `client.crypt`. What is
-- here by contract is not strong (DES, 64-bit keys): over networks that others read, use TLS (docs/tls.md).

---@class skynet.crypt
---@field padding { iso7816_4: integer, pkcs7: integer } for desencode and desdecode
local crypt = {}

---A random key, never all zeros.
---@return string key 8 bytes
function crypt.randomkey() end

---@param text string
---@return string key 8 bytes
function crypt.hashkey(text) end

---DES in ECB mode. Padding is always added.
---@param key string 8 bytes
---@param text string
---@param padding? integer one of `crypt.padding`; iso7816_4
---@return string
function crypt.desencode(key, text, padding) end

---Raises for a size that is none, or padding that is wrong.
---@param key string 8 bytes
---@param text string
---@param padding? integer
---@return string
function crypt.desdecode(key, text, padding) end

---@param bytes string
---@return string text lower case
function crypt.hexencode(bytes) end

---Raises for what is not hexadecimal.
---@param text string
---@return string
function crypt.hexdecode(text) end

---@param bytes string
---@return string
function crypt.base64encode(bytes) end

---Skips characters of no meaning. Raises `Invalid base64 text`.
---@param text string
---@return string
function crypt.base64decode(text) end

---@param text string
---@return string digest 20 bytes
function crypt.sha1(text) end

---@param key string
---@param text string
---@return string digest 20 bytes
function crypt.hmac_sha1(key, text) end

---The answer to a challenge, by the login protocol.
---@param challenge string 8 bytes
---@param secret string 8 bytes
---@return string 8 bytes
function crypt.hmac64(challenge, secret) end

---The same with MD5 as others compute it.
---@param challenge string 8 bytes
---@param secret string 8 bytes
---@return string 8 bytes
function crypt.hmac64_md5(challenge, secret) end

---hmac64 of a text's hashkey.
---@param key string 8 bytes
---@param text string
---@return string 8 bytes
function crypt.hmac_hash(key, text) end

---The public part of a Diffie-Hellman key.
---@param private string 8 bytes; raises for zeros
---@return string public 8 bytes
function crypt.dhexchange(private) end

---The secret that both sides come to.
---@param public string 8 bytes, the other side's
---@param private string 8 bytes
---@return string secret 8 bytes
function crypt.dhsecret(public, private) end

---Exclusive or with a text that is repeated. Raises when that is empty.
---@param text string
---@param key string
---@return string
function crypt.xor_str(text, key) end

return crypt

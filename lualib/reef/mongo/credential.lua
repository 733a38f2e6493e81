-- Who logs in, and how, by a connection string: the rules of each mechanism, from the specification "Authentication".
-- A mechanism that has rules is not yet one that the driver can do.
local credential = {}

---@class mongo.credential
---@field username string|nil
---@field password string|nil
---@field source string the database that knows the user
---@field mechanism string|nil nil: what the server offers
---@field mechanism_properties table|nil
---@field callback boolean|nil a function gives the token

local function need(value, mechanism, what)
	if value == nil then
		error(("%s needs a %s"):format(mechanism, what), 0)
	end
end

local function refuse(value, mechanism, what)
	if value ~= nil then
		error(("%s takes no %s"):format(mechanism, what), 0)
	end
end

local function external(c, mechanism, given)
	if given ~= nil and given ~= "$external" then
		error(("the authSource of %s is $external"):format(mechanism), 0)
	end
	c.source = "$external"
end

local canonical = { none = true, forward = true, forwardAndReverse = true }

local function check_oidc(c, mechanism)
	local properties = c.mechanism_properties or {}
	local environment = properties.ENVIRONMENT
	local with_user = { azure = true }
	local with_resource = { azure = true, gcp = true }
	if environment ~= "test" and environment ~= "k8s" and not with_resource[environment] then
		error(("%s needs an ENVIRONMENT: test, azure, gcp or k8s"):format(mechanism), 0)
	elseif not with_user[environment] then
		refuse(c.username, mechanism, "user name in the environment " .. environment)
	end
	if with_resource[environment] then
		need(properties.TOKEN_RESOURCE, mechanism, "TOKEN_RESOURCE")
	else
		refuse(properties.TOKEN_RESOURCE, mechanism, "TOKEN_RESOURCE")
	end
end

local rules = {}

local function with_password(c, mechanism)
	need(c.username, mechanism, "user name")
end

rules["SCRAM-SHA-1"], rules["SCRAM-SHA-256"], rules["MONGODB-CR"] = with_password, with_password, with_password

rules["PLAIN"] = function(c, mechanism, given, database)
	need(c.username, mechanism, "user name")
	c.source = given or database or "$external"
end

rules["GSSAPI"] = function(c, mechanism, given)
	need(c.username, mechanism, "user name")
	external(c, mechanism, given)
	local properties = c.mechanism_properties or {}
	properties.SERVICE_NAME = properties.SERVICE_NAME or "mongodb"
	local how = properties.CANONICALIZE_HOST_NAME
	if how ~= nil and type(how) ~= "boolean" and not canonical[how] then
		error("CANONICALIZE_HOST_NAME is none, forward or forwardAndReverse", 0)
	end
	c.mechanism_properties = properties
end

rules["MONGODB-X509"] = function(c, mechanism, given)
	refuse(c.password, mechanism, "password")
	external(c, mechanism, given)
end

-- Keys that are good for a while have no place in what is written down.
rules["MONGODB-AWS"] = function(c, mechanism, given)
	external(c, mechanism, given)
	refuse(c.username, mechanism, "user name: its keys come from the environment or a function")
	refuse(c.password, mechanism, "password: its keys come from the environment or a function")
	refuse((c.mechanism_properties or {}).AWS_SESSION_TOKEN, mechanism,
		"AWS_SESSION_TOKEN: its keys come from the environment or a function")
end

rules["MONGODB-OIDC"] = function(c, mechanism, given, _, warned)
	refuse(c.password, mechanism, "password")
	external(c, mechanism, given)
	-- What was left out with a warning is not missed, nor is an environment beside a function (mechanisms.lua).
	if c.callback then
		refuse((c.mechanism_properties or {}).ENVIRONMENT, mechanism, "ENVIRONMENT beside a function")
	elseif c.mechanism_properties or not warned then
		check_oidc(c, mechanism)
	end
end

---Is that a mechanism at all?
---@return boolean
function credential.known(mechanism)
	return rules[mechanism] ~= nil
end

---What a connection string says of logging in; raises what is wrong with it.
---@param parsed mongo.uri
---@return mongo.credential|nil
function credential.of(parsed)
	local options = parsed.options
	local mechanism = options.authMechanism
	if not parsed.username and not mechanism then
		return nil
	end
	local made = {
		username = parsed.username, password = parsed.password, mechanism = mechanism,
		source = options.authSource or parsed.database or "admin",
		mechanism_properties = options.authMechanismProperties, callback = parsed.callback,
	}
	if mechanism then
		rules[mechanism](made, mechanism, options.authSource, parsed.database, parsed.warnings[1] ~= nil)
	end
	return made
end

return credential

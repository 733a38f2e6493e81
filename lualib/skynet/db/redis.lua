-- The Redis driver, by the contract's name: see reef.redis.
return require "reef.redis"

-- The MongoDB driver, by the contract's name: see reef.mongo.
return require "reef.mongo"

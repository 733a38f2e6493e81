-- reef.test.mongo, by the name that the house's tests use.
return require "reef.test.mongo"

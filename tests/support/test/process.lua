-- reef.test.process, by the name that the house's tests use.
return require "reef.test.process"

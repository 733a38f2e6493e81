-- Ends, names and launches of services, by the contract's name: see reef.manager.
return require "reef.manager"

-- Code run inside a service, by the contract's name: see reef.debug.inject.
return require "reef.debug.inject"

-- Debug commands of services, by the contract's name: see reef.debug.commands.
return require "reef.debug.commands"

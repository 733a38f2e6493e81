-- Sockets, by the contract's name: see reef.socket.
return require "reef.socket"

-- Memory of the process, by the contract's name: see reef.allocator.
return require "reef.allocator"

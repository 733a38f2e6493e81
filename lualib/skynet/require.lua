-- Modules whose body may wait, by the contract's name: see reef.base.require.
return require "reef.base.require"

-- Tables that all services share, by the contract's name: see reef.tables.
return require "reef.tables"

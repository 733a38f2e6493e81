-- The MySQL driver, by the contract's name: see reef.mysql.
return require "reef.mysql"

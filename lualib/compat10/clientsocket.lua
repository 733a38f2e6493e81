return require "client.socket"

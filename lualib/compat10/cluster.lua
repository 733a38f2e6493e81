return require "skynet.cluster"

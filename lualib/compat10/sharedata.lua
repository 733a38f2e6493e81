return require "skynet.sharedata"

-- Redis Cluster, by the contract's name: see reef.redis.cluster.contract.
return require "reef.redis.cluster.contract"

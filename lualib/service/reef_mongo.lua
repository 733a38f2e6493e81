-- Watches the MongoDB deployments that services of this process use: see reef.mongo.hub.
require("reef.mongo.hub").run()

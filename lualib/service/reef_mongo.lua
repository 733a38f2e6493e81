-- Watches the MongoDB deployments that services of this process use: see skynet.db.mongo.hub.
require("skynet.db.mongo.hub").run()

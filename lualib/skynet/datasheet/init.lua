-- skynet.datasheet: reading sheets. See reef.datasheet.
return { query = require("reef.datasheet").query }

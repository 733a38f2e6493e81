-- The mail centre of this process: see reef.mail.centre. Started by reef.mail when it is first used.
require("reef.mail.centre").run()

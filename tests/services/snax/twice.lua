function accept.one() end
function accept.one() end

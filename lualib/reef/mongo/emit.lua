-- How the parts of a client tell what happens (the specification of SDAM and CMAP events), to whoever listens.

---A method of what has `hooks` and `address`.
---@param name string of the event
---@param fields table|nil
return function(self, name, fields)
	if self.hooks.on_event then
		fields = fields or {}
		fields.name, fields.address = name, self.address
		self.hooks.on_event(fields)
	end
end

local function make(x)
	return function()
		return x
	end
end

response.one = make(1)
response.two = make(2)

return "a part of its own"

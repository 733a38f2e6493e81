response.value = 5

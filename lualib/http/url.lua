-- Targets of requests by the API's name: see reef.http.url.
return require "reef.http.url"

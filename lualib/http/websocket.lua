-- WebSocket by the API's name: see reef.http.websocket.
return require "reef.http.websocket"

/* Start-up of the Lua modules about sockets. */
#ifndef REEF_SOCKET_LUA_SETUP_H
#define REEF_SOCKET_LUA_SETUP_H

/* Registers the modules in the Lua host. */
void reef_socket_lua_setup(void);

#endif

/* Start-up of the room. */
#ifndef REEF_HTTP_SETUP_H
#define REEF_HTTP_SETUP_H

/* Makes `reef.http.core` and `reef.http.frames` known to the Lua host. */
void reef_http_setup(void);

#endif

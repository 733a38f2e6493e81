/* What the functions of socket.h, listen.h, udp.h and info.h do when nobody stands between (through.c). As they are there. */
#ifndef REEF_SOCKET_REAL_H
#define REEF_SOCKET_REAL_H

#include "info.h"
#include "socket.h"

int reef_real_open(const char *host, int port, uint64_t deadline_ns, const struct reef_sink *sink, void *ud,
				   const char **error);
int reef_real_bind_fd(int fd, const struct reef_sink *sink, void *ud, const char **error);
const char *reef_real_start(int id, const struct reef_sink *sink, void *ud, bool tell);
void reef_real_abandon(int id);
void reef_real_set_ud(int id, const struct reef_sink *sink, void *ud);
void reef_real_pause(int id);
void reef_real_resume(int id);
bool reef_real_write(int id, const void *bytes, size_t n, enum reef_priority priority);
bool reef_real_write_take(int id, void *block, size_t n, enum reef_priority priority);
bool reef_real_write_shared(int id, struct reef_payload *payload);
size_t reef_real_unsent(int id);
void reef_real_close(int id);
void reef_real_shutdown(int id);
uint32_t reef_real_owner(int id);
void reef_real_set_linger(int id, uint64_t ns);
bool reef_real_nodelay(int id, bool on);
bool reef_real_use_tls(int id, const struct reef_tls_target *target, const void *received, size_t n);
bool reef_real_tls_info(int id, struct reef_tls_info *info);

int reef_real_listen_open(const char *host, int port, int backlog, char *ip, int *real_port, const char **error);
void reef_real_listen_announce(int id, const struct reef_sink *sink, void *ud);

int reef_real_udp_open(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error);
int reef_real_udp_dial(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error);
const char *reef_real_udp_connect(int id, const char *host, int port);
bool reef_real_udp_send(int id, const uint8_t *address, size_t address_size, const void *bytes, size_t n);

bool reef_real_info_get(int id, struct reef_socket_info *info);
int reef_real_info_next(int id);

#endif

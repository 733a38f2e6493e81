/* See address.h. */
#include "address.h"
#include "core/net.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void reef_address_split(const struct reef_address *address, char ip[REEF_ADDRESS_SIZE], int *port) {
	*port = 0;
	ip[0] = '\0';
	switch (address->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &address->v4.sin_addr, ip, REEF_ADDRESS_SIZE);
		*port = ntohs(address->v4.sin_port);
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &address->v6.sin6_addr, ip, REEF_ADDRESS_SIZE);
		*port = ntohs(address->v6.sin6_port);
		break;
	case AF_UNIX: {
		size_t n = address->size - offsetof(struct sockaddr_un, sun_path);
		const char *path = address->local.sun_path;
		if (address->size <= offsetof(struct sockaddr_un, sun_path))
			snprintf(ip, REEF_ADDRESS_SIZE, "unix");
		else if (path[0] == '\0')
			snprintf(ip, REEF_ADDRESS_SIZE, "@%.*s", (int)n - 1, path + 1);
		else
			snprintf(ip, REEF_ADDRESS_SIZE, "%.*s", (int)n, path);
		break;
	}
	default:
		break;
	}
}

void reef_address_text(const struct reef_address *address, char text[REEF_ADDRESS_SIZE]) {
	int port;
	reef_address_split(address, text, &port);
	size_t n = strlen(text);
	if (address->any.sa_family == AF_INET6) {
		memmove(text + 1, text, n + 1);
		text[0] = '[';
		snprintf(text + n + 1, REEF_ADDRESS_SIZE - n - 1, "]:%d", port);
	} else if (address->any.sa_family == AF_INET) {
		snprintf(text + n, REEF_ADDRESS_SIZE - n, ":%d", port);
	}
}

bool reef_address_of(int fd, struct reef_address *address) {
	memset(address, 0, sizeof *address);
	address->size = sizeof address->local;
	return reef_net->name(fd, &address->any, &address->size) == 0;
}

bool reef_address_of_peer(int fd, struct reef_address *address) {
	memset(address, 0, sizeof *address);
	address->size = sizeof address->local;
	return reef_net->peer(fd, &address->any, &address->size) == 0;
}

void reef_address_set_port(struct reef_address *address, int port) {
	if (address->any.sa_family == AF_INET6)
		address->v6.sin6_port = htons((uint16_t)port);
	else
		address->v4.sin_port = htons((uint16_t)port);
}

bool reef_address_to_udp(const struct reef_address *address, struct reef_udp_address *udp) {
	const void *port, *ip;
	size_t n;
	if (address->any.sa_family == AF_INET) {
		port = &address->v4.sin_port;
		ip = &address->v4.sin_addr;
		n = 4;
	} else if (address->any.sa_family == AF_INET6) {
		port = &address->v6.sin6_port;
		ip = &address->v6.sin6_addr;
		n = 16;
	} else {
		return false;
	}
	udp->bytes[0] = n == 4 ? 1 : 2;
	memcpy(udp->bytes + 1, port, 2);
	memcpy(udp->bytes + 3, ip, n);
	udp->size = (uint8_t)(3 + n);
	return true;
}

bool reef_address_from_udp(struct reef_address *address, const uint8_t *bytes, size_t size) {
	memset(address, 0, sizeof *address);
	if (size == 7 && bytes[0] == 1) {
		address->v4.sin_family = AF_INET;
		memcpy(&address->v4.sin_port, bytes + 1, 2);
		memcpy(&address->v4.sin_addr, bytes + 3, 4);
		address->size = sizeof address->v4;
		return true;
	}
	if (size == 19 && bytes[0] == 2) {
		address->v6.sin6_family = AF_INET6;
		memcpy(&address->v6.sin6_port, bytes + 1, 2);
		memcpy(&address->v6.sin6_addr, bytes + 3, 16);
		address->size = sizeof address->v6;
		return true;
	}
	return false;
}

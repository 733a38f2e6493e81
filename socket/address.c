/* See address.h. Ports are decimal, 0 to 65535; IPv6 in brackets wherever a port may follow. */
#include "socket/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char error_text[400];

static const char *fail(const char *what, const char *text) {
	snprintf(error_text, sizeof error_text, "%s %.256s.", what, text);
	return error_text;
}

static bool parse_zone(const char *text, uint32_t *zone) {
	char *end;
	*zone = if_nametoindex(text);
	if (*zone == 0 && text[0] >= '0' && text[0] <= '9') {
		unsigned long number = strtoul(text, &end, 10);
		*zone = *end == '\0' && number <= UINT32_MAX ? (uint32_t)number : 0;
	}
	return *zone != 0;
}

static bool literal(struct reef_address *address, const char *host, int port) {
	memset(address, 0, sizeof *address);
	if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = htons((uint16_t)port);
		address->size = sizeof address->v4;
		return true;
	}
	/* RFC 4007, 11: the interface of a link-local address, by name or number. */
	char ip[INET6_ADDRSTRLEN];
	const char *zone = strchr(host, '%');
	size_t n = zone ? (size_t)(zone - host) : strlen(host);
	if (n < sizeof ip) {
		memcpy(ip, host, n);
		ip[n] = '\0';
	}
	if (n < sizeof ip && inet_pton(AF_INET6, ip, &address->v6.sin6_addr) == 1 &&
		(zone == NULL || parse_zone(zone + 1, &address->v6.sin6_scope_id))) {
		address->v6.sin6_family = AF_INET6;
		address->v6.sin6_port = htons((uint16_t)port);
		address->size = sizeof address->v6;
		return true;
	}
	return false;
}

/* unix(7): an abstract name begins with a zero byte and is as long as the size says. */
static const char *local(struct reef_address *address, const char *text) {
	const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : text;
	size_t n = strlen(path);
	memset(address, 0, sizeof *address);
	if (n == 0 || n >= sizeof address->local.sun_path)
		return fail("Invalid address", text);
	address->local.sun_family = AF_UNIX;
	memcpy(address->local.sun_path, path, n);
	address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (path[0] == '@')
		address->local.sun_path[0] = '\0';
	else
		address->size++;
	return NULL;
}

/* -1: not a port. */
static int parse_port(const char *text) {
	int port = 0;
	const char *p = text;
	for (; *p >= '0' && *p <= '9' && p - text < 5; p++)
		port = port * 10 + (*p - '0');
	return p == text || *p != '\0' || port > 65535 ? -1 : port;
}

const char *reef_target_parse(struct reef_target *target, const char *text, int port) {
	const char *host = text, *end = text + strlen(text);
	if (text[0] == '/' || strncmp(text, "unix:", 5) == 0) {
		target->literal = true;
		target->port = 0;
		return local(&target->address, text);
	}
	if (port > 65535)
		return fail("Invalid port in address", text);
	if (port < 0) {
		const char *colon = strrchr(text, ':');
		bool bracket = text[0] == '[';
		if (colon == NULL || (bracket && (colon == text || colon[-1] != ']')))
			return fail("Invalid address", text);
		port = parse_port(colon + 1);
		if (port < 0)
			return fail("Invalid port in address", text);
		end = colon;
	}
	if (end > host && host[0] == '[' && end[-1] == ']') {
		host++;
		end--;
	}
	size_t n = (size_t)(end - host);
	if (n == 0 || n >= sizeof target->host)
		return fail("Invalid address", text);
	memcpy(target->host, host, n);
	target->host[n] = '\0';
	target->port = port;
	target->literal = literal(&target->address, target->host, port);
	return NULL;
}

bool reef_address_needs_name(const char *host, int port, char *name, int *real_port) {
	struct reef_target target;
	if (reef_target_parse(&target, host, port) != NULL || target.literal)
		return false;
	memcpy(name, target.host, sizeof target.host);
	*real_port = target.port;
	return true;
}

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
	return getsockname(fd, &address->any, &address->size) == 0;
}

bool reef_address_of_peer(int fd, struct reef_address *address) {
	memset(address, 0, sizeof *address);
	address->size = sizeof address->local;
	return getpeername(fd, &address->any, &address->size) == 0;
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

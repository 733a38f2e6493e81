/* See endpoint.h. Ports are decimal, 0 to 65535; IPv6 in brackets wherever a port may follow. */
#include "endpoint.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/redact.h"

static _Thread_local char error_text[400];

/* It may be the URI of something, with a password. */
static const char *invalid(const char *what, const char *text) {
	struct reef_text shown = {0};
	reef_redact_add(&shown, text, strlen(text));
	snprintf(error_text, sizeof error_text, "%s %.*s.", what, shown.size > 256 ? 256 : (int)shown.size,
			 shown.data ? shown.data : "");
	reef_text_free(&shown);
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

static bool parse_ip(struct reef_address *address, const char *host, int port) {
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
static const char *parse_local(struct reef_address *address, const char *text) {
	const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : text;
	size_t n = strlen(path);
	memset(address, 0, sizeof *address);
	if (n == 0 || n >= sizeof address->local.sun_path)
		return invalid("Invalid address", text);
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

const char *reef_endpoint_parse(struct reef_endpoint *endpoint, const char *text, int port) {
	const char *host = text, *end = text + strlen(text);
	if (text[0] == '/' || strncmp(text, "unix:", 5) == 0) {
		endpoint->literal = true;
		endpoint->port = 0;
		return parse_local(&endpoint->address, text);
	}
	if (port > 65535)
		return invalid("Invalid port in address", text);
	if (port < 0) {
		const char *colon = strrchr(text, ':');
		bool bracket = text[0] == '[';
		if (colon == NULL || (bracket && (colon == text || colon[-1] != ']')))
			return invalid("Invalid address", text);
		port = parse_port(colon + 1);
		if (port < 0)
			return invalid("Invalid port in address", text);
		end = colon;
	}
	if (end > host && host[0] == '[' && end[-1] == ']') {
		host++;
		end--;
	}
	size_t n = (size_t)(end - host);
	if (n == 0 || n >= sizeof endpoint->host)
		return invalid("Invalid address", text);
	memcpy(endpoint->host, host, n);
	endpoint->host[n] = '\0';
	endpoint->port = port;
	endpoint->literal = parse_ip(&endpoint->address, endpoint->host, port);
	return NULL;
}

/* See greeting.h. The library's plugin for sockets gets another function to connect with, which is the same and then peeks: the bytes
 * stay where they are. */
#include "greeting.h"

#include <errmsg.h>
#include <errno.h>
#include <mysql.h>
/* Behind it: */
#include <ma_pvio.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"

#define HEADER 4         /* bytes: the length of the packet and its number */
#define MOST 1024        /* bytes of a greeting; real ones have about a hundred */
#define LONGEST_TEXT 255 /* characters of a version or a name */
#define SCRAMBLE 8       /* bytes of the first part */
#define REST 13          /* bytes of the second part, at least */
#define MS 1000000u

/* ---- its shape ---- */

/* A text of printable characters and the zero behind it: its bytes; 0: it is none. */
static size_t greeting_text(const unsigned char *at, size_t left) {
	const unsigned char *end = memchr(at, 0, left);
	if (end == NULL || end == at || end - at > LONGEST_TEXT)
		return 0;
	for (const unsigned char *c = at; c < end; c++)
		if (*c < ' ' || *c > '~')
			return 0;
	return (size_t)(end - at) + 1;
}

static unsigned greeting_short(const unsigned char *at) {
	return (unsigned)at[0] | (unsigned)at[1] << 8;
}

/* Behind the version. */
static const char *greeting_rest_fault(const unsigned char *at, size_t left) {
	/* The thread's number, the first part of the scramble, zero; capabilities, character set, status, capabilities, the size of the
	 * scramble, ten bytes; the second part. */
	if (left < 4 + SCRAMBLE + 1 + 2 + 1 + 2 + 2 + 1 + 10 + REST)
		return "it is too short";
	at += 4 + SCRAMBLE;
	unsigned long flags = greeting_short(at + 1) | (unsigned long)greeting_short(at + 6) << 16;
	if (!(flags & CLIENT_PROTOCOL_41) || !(flags & CLIENT_SECURE_CONNECTION))
		return "it is of a server before MySQL 4.1";
	unsigned scramble = at[8];
	at += 1 + 2 + 1 + 2 + 2 + 1 + 10;
	left -= 4 + SCRAMBLE + 1 + 2 + 1 + 2 + 2 + 1 + 10;
	bool names = flags & CLIENT_PLUGIN_AUTH;
	if (scramble != SCRAMBLE + REST && (names || scramble != 0))
		return "its scramble is of another size";
	if (!names)
		return NULL;
	return greeting_text(at + REST, left - REST) ? NULL : "it names no authentication";
}

const char *reef_mysql_greeting_fault(const unsigned char *bytes, size_t size) {
	if (size <= HEADER)
		return "it is empty";
	if (bytes[3] != 0)
		return "it is not the first packet";
	const unsigned char *at = bytes + HEADER;
	size_t left = size - HEADER;
	if (*at == 0xff && left < 3)
		return "it is too short for an error";
	/* Not of an error but of a report on progress, for which libmariadb looks at the version. */
	if (*at == 0xff)
		return greeting_short(at + 1) == 0xffff ? "it is a report on progress" : NULL;
	if (*at != PROTOCOL_VERSION)
		return "it is of another protocol";
	size_t version = greeting_text(at + 1, left - 1);
	return version ? greeting_rest_fault(at + 1 + version, left - 1 - version) : "it tells no version";
}

/* ---- peeking ---- */

/* Of mysql/client_plugin.h, which includes a file that Debian does not install. */
#define PVIO_PLUGIN 101
#define PVIO_PLUGIN_VERSION 0x0100
struct greeting_plugin {
	MYSQL_CLIENT_PLUGIN_HEADER
	struct st_ma_pvio_methods *methods;
};

static _Thread_local bool looks;
static my_bool (*connect_before)(MARIADB_PVIO *pvio, MA_PVIO_CINFO *info);

/* Why libmariadb shall not read it; NULL: it may, or there is nothing to read and it will find that out. */
static const char *greeting_peek(int fd, uint64_t deadline_ns) {
	unsigned char bytes[HEADER + MOST];
	bool ended = false; /* all that will ever come is there */
	for (long pause_ms = 1;; pause_ms = pause_ms < 16 ? pause_ms * 2 : 16) {
		ssize_t n = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
		uint64_t now = reef_now_ns();
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return NULL;
		if (n >= HEADER) {
			size_t size = HEADER + ((size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16);
			if (size > sizeof bytes)
				return "it is too long";
			if (size <= (size_t)n)
				return reef_mysql_greeting_fault(bytes, size);
		}
		if (ended || now >= deadline_ns)
			return n > 0 ? "it breaks off" : "none has come";
		struct pollfd more = {.fd = fd, .events = POLLIN | POLLRDHUP};
		poll(&more, 1, n > 0 ? 0 : (int)((deadline_ns - now) / MS) + 1);
		ended = n > 0 && (more.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0;
		/* What there is keeps poll from waiting. */
		if (n > 0 && !ended)
			nanosleep(&(struct timespec){.tv_nsec = pause_ms * (long)MS}, NULL);
	}
}

static my_bool greeting_connect(MARIADB_PVIO *pvio, MA_PVIO_CINFO *info) {
	my_bool failed = connect_before(pvio, info);
	my_socket fd = -1;
	if (failed || !looks || pvio->methods->get_handle(pvio, &fd) || fd < 0)
		return failed;
	int ms = pvio->timeout[PVIO_CONNECT_TIMEOUT];
	const char *fault = greeting_peek((int)fd, ms > 0 ? reef_now_ns() + (uint64_t)ms * MS : UINT64_MAX);
	if (fault == NULL)
		return 0;
	pvio->set_error(pvio->mysql, CR_MALFORMED_PACKET, "HY000", "this is no greeting of a MySQL server: %s", fault);
	return 1;
}

void reef_mysql_greeting_setup(void) {
	static struct st_ma_pvio_methods methods;
	MYSQL *mysql = mysql_init(NULL);
	struct greeting_plugin *plugin =
			mysql ? (struct greeting_plugin *)mysql_client_find_plugin(mysql, "pvio_socket", PVIO_PLUGIN) : NULL;
	if (plugin && plugin->interface_version == PVIO_PLUGIN_VERSION && plugin->methods) {
		methods = *plugin->methods;
		connect_before = methods.connect;
		methods.connect = greeting_connect;
		plugin->methods = &methods;
	} else {
		reef_log_at(REEF_LOG_WARN, 0, "this libmariadb does not let greetings of MySQL servers be looked at");
	}
	if (mysql)
		mysql_close(mysql);
}

void reef_mysql_greeting_look(void) {
	looks = true;
}

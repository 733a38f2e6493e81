/* The known keys: see config_keys.h. */
#include "config_keys.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log_level.h"
#include "core/text.h"

#define MAX_THREADS 1024
#define SHORTEST_TOKEN 16           /* characters */
#define MAX_CS (100L * 86400 * 365) /* hundredths of a second that can be added to any time */

enum kind {
	ANY,
	TEXT,    /* not empty */
	TOKEN,   /* that nobody guesses */
	INTEGER, /* from `least` to `most` */
	BOOLEAN,
	WORD,     /* one of `words` */
	PREFIX,   /* begins like one of `words` */
	PATTERNS, /* with a `?` in each */
	LEVELS,   /* of the log */
	SHARE,    /* a number from 0 to 1 */
	ADDRESS,  /* host:port */
	FILE_NAME /* of a file that can be read */
};

struct key {
	const char *name;
	enum kind kind;
	long least, most;
	const char *words; /* separated by spaces */
	enum reef_config_judgement if_not;
};

#define NUMBER(name, least, most)                                                                                      \
	{ (name), INTEGER, (least), (most), NULL, REEF_CONFIG_WRONG }
#define ONE_OF(name, kind, words, if_not)                                                                              \
	{ (name), (kind), 0, 0, (words), (if_not) }
#define OF(name, kind, if_not)                                                                                         \
	{ (name), (kind), 0, 0, NULL, (if_not) }

/* By name. Where only some processes look at a value, a project may have had a key of that name before: doubtful. */
static const struct key keys[] = {
		OF("address", TEXT, REEF_CONFIG_DOUBTFUL),
		NUMBER("await_threads", 1, INT_MAX),
		OF("bootstrap", TEXT, REEF_CONFIG_WRONG),
		ONE_OF("bus", PREFIX, "nats:// tls:// redis:// rediss://", REEF_CONFIG_DOUBTFUL),
		OF("bus_ca_file", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		OF("bus_cert_file", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		NUMBER("bus_heartbeat", 1, MAX_CS),
		OF("bus_key_file", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		OF("bus_prefix", ANY, REEF_CONFIG_GOOD),
		OF("certfile", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		OF("cluster", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		OF("cluster_address", TEXT, REEF_CONFIG_DOUBTFUL),
		OF("cluster_ca_file", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		OF("cluster_cert_file", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		OF("cluster_dns", TEXT, REEF_CONFIG_DOUBTFUL),
		NUMBER("cluster_dns_interval", 10, MAX_CS),
		OF("cluster_dns_server", TEXT, REEF_CONFIG_DOUBTFUL),
		NUMBER("cluster_heartbeat", 0, MAX_CS),
		OF("cluster_key_file", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		NUMBER("cluster_lease", 200, MAX_CS),
		NUMBER("cluster_limit", 65536, LONG_MAX),
		ONE_OF("cluster_listen", WORD, "any secure loopback", REEF_CONFIG_WRONG),
		OF("cluster_name", TEXT, REEF_CONFIG_DOUBTFUL),
		ONE_OF("cluster_nodes", WORD, "etcd dns", REEF_CONFIG_DOUBTFUL),
		NUMBER("cluster_requests", 1, LONG_MAX),
		OF("cluster_secret", ANY, REEF_CONFIG_GOOD),
		NUMBER("cluster_timeout", 0, MAX_CS),
		NUMBER("cluster_unfinished", 1, MAX_CS),
		OF("console_http_token", TOKEN, REEF_CONFIG_WRONG),
		OF("copy_vms", BOOLEAN, REEF_CONFIG_WRONG),
		OF("cpath", PATTERNS, REEF_CONFIG_WRONG),
		OF("daemon", TEXT, REEF_CONFIG_WRONG),
		NUMBER("daemon_timeout", 0, MAX_CS),
		ONE_OF("datacenter", WORD, "local etcd", REEF_CONFIG_DOUBTFUL),
		OF("enablessl", BOOLEAN, REEF_CONFIG_DOUBTFUL),
		ONE_OF("etcd", PREFIX, "http:// https://", REEF_CONFIG_DOUBTFUL),
		OF("etcd_ca_file", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		OF("etcd_cert_file", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		OF("etcd_key_file", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		OF("etcd_password", ANY, REEF_CONFIG_GOOD),
		OF("etcd_prefix", ANY, REEF_CONFIG_GOOD),
		NUMBER("etcd_timeout", 1, MAX_CS),
		OF("etcd_user", ANY, REEF_CONFIG_GOOD),
		NUMBER("harbor", 0, 255),
		OF("http_hosts", ANY, REEF_CONFIG_GOOD),
		OF("keyfile", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		NUMBER("log_buffer", 1, LONG_MAX >> 20),
		ONE_OF("log_format", WORD, "text json", REEF_CONFIG_WRONG),
		OF("log_level", LEVELS, REEF_CONFIG_WRONG),
		ONE_OF("log_time", WORD, "default iso none", REEF_CONFIG_WRONG),
		OF("logger", ANY, REEF_CONFIG_GOOD),
		OF("logpath", TEXT, REEF_CONFIG_DOUBTFUL),
		OF("logservice", TEXT, REEF_CONFIG_WRONG),
		OF("lua_cpath", PATTERNS, REEF_CONFIG_DOUBTFUL),
		OF("lua_path", PATTERNS, REEF_CONFIG_DOUBTFUL),
		OF("lualoader", FILE_NAME, REEF_CONFIG_WRONG),
		OF("luaservice", PATTERNS, REEF_CONFIG_DOUBTFUL),
		NUMBER("mailbox_bytes", 0, LONG_MAX),
		NUMBER("mailbox_messages", 0, LONG_MAX),
		OF("master", TEXT, REEF_CONFIG_DOUBTFUL),
		OF("metrics", ADDRESS, REEF_CONFIG_WRONG),
		OF("metrics_token", TOKEN, REEF_CONFIG_WRONG),
		NUMBER("mongo_srv_poll", 1, MAX_CS),
		ONE_OF("multicast", WORD, "harbor bus", REEF_CONFIG_DOUBTFUL),
		OF("name_servers", TEXT, REEF_CONFIG_DOUBTFUL),
		ONE_OF("otlp_endpoint", PREFIX, "http:// https://", REEF_CONFIG_WRONG),
		OF("preload", FILE_NAME, REEF_CONFIG_WRONG),
		OF("profile", BOOLEAN, REEF_CONFIG_DOUBTFUL),
		OF("record", ANY, REEF_CONFIG_GOOD),
		NUMBER("record_files", 1, INT_MAX),
		NUMBER("record_limit", 2, LONG_MAX >> 21),
		OF("record_path", TEXT, REEF_CONFIG_DOUBTFUL),
		NUMBER("record_ring", 0, 86400),
		NUMBER("shutdown_timeout", 0, LONG_MAX),
		NUMBER("singleton_lease", 200, MAX_CS),
		NUMBER("slow_message", 0, MAX_CS),
		OF("snax", PATTERNS, REEF_CONFIG_DOUBTFUL),
		OF("snax_interface_g", TEXT, REEF_CONFIG_DOUBTFUL),
		OF("snax_loader", FILE_NAME, REEF_CONFIG_DOUBTFUL),
		NUMBER("socket_connect_timeout", 1, MAX_CS),
		NUMBER("socket_handshake_timeout", 1, MAX_CS),
		NUMBER("socket_limit", 0, LONG_MAX),
		NUMBER("socket_line_limit", 1, LONG_MAX),
		NUMBER("socket_linger", 0, MAX_CS),
		NUMBER("socket_write_limit", 0, LONG_MAX),
		OF("standalone", TEXT, REEF_CONFIG_DOUBTFUL),
		OF("start", TEXT, REEF_CONFIG_WRONG),
		NUMBER("thread", 1, MAX_THREADS),
		OF("trace_rate", SHARE, REEF_CONFIG_WRONG),
		OF("trace_services", TEXT, REEF_CONFIG_DOUBTFUL),
};

#define KEYS (sizeof keys / sizeof keys[0])

size_t reef_config_key_count(void) {
	return KEYS;
}

const char *reef_config_key_name(size_t i) {
	return keys[i].name;
}

static int compare_key(const void *name, const void *key) {
	return strcmp(name, ((const struct key *)key)->name);
}

static const struct key *find_key(const char *name) {
	return bsearch(name, keys, KEYS, sizeof keys[0], compare_key);
}

bool reef_config_key_names_file(const char *name) {
	const struct key *key = find_key(name);
	return key != NULL && key->kind == FILE_NAME;
}

/* ---- what was meant ---- */

const char *reef_config_key_meant(const char *key) {
	if (find_key(key) != NULL)
		return NULL;
	for (size_t i = 0; i < KEYS; i++)
		if (reef_text_is_one_away(key, keys[i].name))
			return keys[i].name;
	return NULL;
}

/* ---- values ---- */

static bool is_integer(const char *text, long least, long most) {
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && value >= least && value <= most;
}

static bool is_share(const char *text) {
	char *end;
	double value = strtod(text, &end);
	return end != text && *end == '\0' && value >= 0 && value <= 1;
}

/* What is in front of the port is for the resolver to judge. */
static bool is_address(const char *text) {
	const char *port = strrchr(text, ':');
	return port && port[1] >= '0' && port[1] <= '9' && is_integer(port + 1, 0, 65535);
}

static bool is_boolean(const char *text) {
	return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

static bool is_token(const char *text) {
	size_t n = 0;
	while (text[n] > ' ' && text[n] < 127)
		n++;
	return n >= SHORTEST_TOKEN && text[n] == '\0';
}

/* Is the text one of the words, or does it begin like one? */
static bool has_word(const char *text, const char *words, bool begins) {
	size_t size = strlen(text);
	while (*words) {
		size_t n = strcspn(words, " ");
		if (size >= n && (begins || size == n) && memcmp(text, words, n) == 0)
			return true;
		words += n;
		words += strspn(words, " ");
	}
	return false;
}

static bool are_patterns(const char *text) {
	bool any = false;
	for (;;) {
		size_t n = strcspn(text, ";");
		if (n > 0 && !memchr(text, '?', n) && !(n == 5 && memcmp(text, "@reef", n) == 0))
			return false;
		any |= n > 0;
		if (text[n] == '\0')
			return any;
		text += n + 1;
	}
}

/* Our own loader is found by its name, whether it lies there or not. */
static bool is_own_loader(const struct key *key, const char *value) {
	static const char own[] = "lualib/loader.lua";
	size_t size = strlen(value), n = sizeof own - 1;
	return strcmp(key->name, "lualoader") == 0 && size >= n && strcmp(value + size - n, own) == 0;
}

/* Without opening it: it may be a pipe. */
static bool is_readable(const char *path, char *why, size_t size) {
	struct stat st;
	bool found = stat(path, &st) == 0, directory = found && S_ISDIR(st.st_mode);
	if (found && !directory && access(path, R_OK) == 0)
		return true;
	snprintf(why, size, "cannot be read: %s", strerror(directory ? EISDIR : errno));
	return false;
}

static bool is_good(const struct key *key, const char *value, char *why, size_t size) {
	switch (key->kind) {
	case ANY:
		return true;
	case TEXT:
		snprintf(why, size, "must not be empty");
		return *value != '\0';
	case TOKEN:
		snprintf(why, size, "must have at least %d visible characters, without spaces", SHORTEST_TOKEN);
		return is_token(value);
	case INTEGER:
		if (key->most < INT_MAX)
			snprintf(why, size, "must be an integer from %ld to %ld", key->least, key->most);
		else
			snprintf(why, size, "must be an integer of at least %ld", key->least);
		return is_integer(value, key->least, key->most);
	case BOOLEAN:
		snprintf(why, size, "must be true or false");
		return is_boolean(value);
	case WORD:
		snprintf(why, size, "must be one of: %s", key->words);
		return has_word(value, key->words, false);
	case PREFIX:
		snprintf(why, size, "must begin with one of: %s", key->words);
		return has_word(value, key->words, true);
	case PATTERNS:
		snprintf(why, size, "must be patterns, separated by ;, each with a ? for the name");
		return are_patterns(value);
	case LEVELS:
		snprintf(why, size, "must be a level (debug, verbose, info, warn, error), or rules such as info,main=debug");
		return reef_log_threshold_read(value, true);
	case SHARE:
		snprintf(why, size, "must be a number from 0 to 1");
		return is_share(value);
	case ADDRESS:
		snprintf(why, size, "must be an address with a port, such as 127.0.0.1:9464");
		return is_address(value);
	case FILE_NAME:
		return is_own_loader(key, value) || is_readable(value, why, size);
	}
	return true;
}

enum reef_config_judgement reef_config_key_check(const char *name, const char *value, char *why, size_t size) {
	const struct key *key = find_key(name);
	return key == NULL || is_good(key, value, why, size) ? REEF_CONFIG_GOOD : key->if_not;
}

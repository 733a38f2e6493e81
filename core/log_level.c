/* Levels and thresholds of the log: see log_level.h. The first rule is that of the pattern `*`. */
#include "log_level.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_PATTERN 64
#define MOST_RULES 64

struct rule {
	char pattern[LONGEST_PATTERN];
	enum reef_log_level level;
};

static const char *const names[] = {"debug", "verbose", "info", "warn", "error"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[MOST_RULES] = {{"*", REEF_LOG_VERBOSE}};
static int rule_count = 1;
static atomic_int threshold = REEF_LOG_VERBOSE; /* of the first rule */

const char *reef_log_level_name(enum reef_log_level level) {
	return names[level];
}

bool reef_log_level_parse(const char *name, size_t size, enum reef_log_level *level) {
	for (int i = REEF_LOG_DEBUG; i <= REEF_LOG_ERROR; i++) {
		if (strlen(names[i]) == size && memcmp(name, names[i], size) == 0) {
			*level = (enum reef_log_level)i;
			return true;
		}
	}
	return false;
}

enum reef_log_level reef_log_level_of(const char *text, size_t size, size_t *label) {
	static const struct {
		const char *text;
		enum reef_log_level level;
	} labels[] = {{"error: ", REEF_LOG_ERROR}, {"warning: ", REEF_LOG_WARN}, {"debug: ", REEF_LOG_DEBUG}};
	for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
		size_t n = strlen(labels[i].text);
		if (size >= n && memcmp(text, labels[i].text, n) == 0) {
			*label = n;
			return labels[i].level;
		}
	}
	*label = 0;
	return REEF_LOG_INFO;
}

/* ---- thresholds ---- */

static bool fits(const char *pattern, const char *name) {
	const char *star = NULL, *back = NULL;
	while (*name) {
		if (*pattern == '*') {
			star = pattern++;
			back = name;
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star + 1;
			name = ++back;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

enum reef_log_level reef_log_threshold(void) {
	return (enum reef_log_level)atomic_load_explicit(&threshold, memory_order_relaxed);
}

enum reef_log_level reef_log_threshold_of(const char *name) {
	pthread_mutex_lock(&lock);
	int i = rule_count - 1;
	while (i > 0 && !fits(rules[i].pattern, name))
		i--;
	enum reef_log_level level = rules[i].level;
	pthread_mutex_unlock(&lock);
	return level;
}

/* Under the lock. */
static bool set_rule(const char *pattern, enum reef_log_level level) {
	if (strcmp(pattern, "*") == 0) {
		rule_count = 1;
		rules[0].level = level;
		atomic_store(&threshold, level);
		return true;
	}
	/* A pattern has one rule, and the newest is the last. */
	int kept = 1;
	for (int i = 1; i < rule_count; i++)
		if (strcmp(rules[i].pattern, pattern) != 0)
			rules[kept++] = rules[i];
	rule_count = kept;
	if (kept == MOST_RULES || strlen(pattern) >= LONGEST_PATTERN || *pattern == '\0')
		return false;
	struct rule *rule = &rules[rule_count++];
	snprintf(rule->pattern, sizeof rule->pattern, "%s", pattern);
	rule->level = level;
	return true;
}

bool reef_log_threshold_set(const char *pattern, enum reef_log_level level) {
	pthread_mutex_lock(&lock);
	bool ok = set_rule(pattern, level);
	pthread_mutex_unlock(&lock);
	return ok;
}

/* `[PATTERN=]LEVEL` */
static bool read_rule(const char *text, size_t size, struct rule *rule) {
	const char *equals = memchr(text, '=', size);
	size_t n = equals ? (size_t)(equals - text) : 1;
	const char *pattern = equals ? text : "*", *level = equals ? equals + 1 : text;
	if (n == 0 || n >= LONGEST_PATTERN)
		return false;
	memcpy(rule->pattern, pattern, n);
	rule->pattern[n] = '\0';
	return reef_log_level_parse(level, (size_t)(text + size - level), &rule->level);
}

bool reef_log_threshold_read(const char *text, bool only_check) {
	struct rule read[MOST_RULES];
	int count = 0;
	for (;;) {
		size_t n = strcspn(text, ",");
		if (count == MOST_RULES || !read_rule(text, n, &read[count++]))
			return false;
		if (text[n] == '\0')
			break;
		text += n + 1;
	}
	for (int i = 0; i < count && !only_check; i++)
		if (!reef_log_threshold_set(read[i].pattern, read[i].level))
			return false;
	return true;
}

void reef_log_threshold_each(void (*rule)(void *ud, const char *pattern, enum reef_log_level level), void *ud) {
	struct rule copy[MOST_RULES];
	pthread_mutex_lock(&lock);
	int count = rule_count;
	memcpy(copy, rules, sizeof(struct rule) * (size_t)count);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < count; i++)
		rule(ud, copy[i].pattern, copy[i].level);
}

/* Passwords in text of any kind: see redact.h.
 *
 * What is looked for has a `:` or a `=` in it: `scheme://secret@host`, `?password=secret`, `password = "secret"`. Shapes
 * that no parser would accept are the likely ones in an error, so in doubt more is hidden than needed: everything before
 * the last `@` of a URI, whatever follows a colon where no port is. Only what has none of these shapes can be missed; so
 * who makes an error never puts a password into it to begin with.
 */
#include "redact.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PUNCTUATION ":.,;)]}>'\"`"

struct span {
	const char *from, *to;
};

static bool is_space(char c) {
	return (unsigned char)c <= ' ';
}

static bool is_word(char c) {
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool is_quote(char c) {
	return c == '"' || c == '\'' || c == '`';
}

static const char *find_space(const char *p, const char *end) {
	while (p < end && !is_space(*p))
		p++;
	return p;
}

/* ---- what a word says about the value behind it ---- */

static bool ends_with(const char *word, size_t size, const char *ending) {
	size_t n = strlen(ending);
	return size >= n && strncasecmp(word + size - n, ending, n) == 0;
}

static bool ends_with_any(const char *word, size_t size, const char *const *endings) {
	for (; *endings; endings++)
		if (ends_with(word, size, *endings))
			return true;
	return false;
}

/* In prose, only names that can mean nothing else. */
static const char *const sure[] = {
		"password", "passwd", "passphrase", "requirepass", "masterauth", "mechanismproperties", NULL};
static const char *const likely[] = {"pass", "pwd", "pw", "auth", "secret", "token", "credentials", NULL};

bool reef_redact_names_secret(const char *word, size_t size) {
	return ends_with_any(word, size, sure) || ends_with_any(word, size, likely);
}

/* Is the sign at `p` behind the name of a secret: `name=`, `name: `, `"name": `, `["name"] = `? */
static bool follows_name(const char *start, const char *p, const char *after) {
	const char *end = p;
	while (end > start && (is_quote(end[-1]) || end[-1] == ' ' || end[-1] == ']'))
		end--;
	const char *word = end;
	while (word > start && is_word(word[-1]))
		word--;
	size_t size = (size_t)(end - word);
	if (size == 4 && strncasecmp(word, "auth", 4) == 0)
		return *p != ':' || !is_space(*after);
	bool in_query = *p != ':' && word > start && memchr("?&;", word[-1], 3);
	return in_query ? reef_redact_names_secret(word, size) || ends_with(word, size, "key")
					: ends_with_any(word, size, sure);
}

/* Redis repeats the arguments of a command that it does not know, be it AUTH or HELLO. */
static bool follows_arguments(const char *start, const char *p) {
	static const char phrase[] = "args beginning with";
	return *p == ':' && (size_t)(p - start) >= sizeof phrase - 1 &&
		   memcmp(p - (sizeof phrase - 1), phrase, sizeof phrase - 1) == 0;
}

static const char *find_line_end(const char *p, const char *end) {
	const char *newline = memchr(p, '\n', (size_t)(end - p));
	return newline ? newline : end;
}

/* The length of `:`, `=` or an encoded `=` at p; 0: there is none of them. */
static size_t sign_length(const char *p, const char *end) {
	if (*p == ':' || *p == '=')
		return 1;
	return *p == '%' && end - p > 2 && p[1] == '3' && (p[2] == 'D' || p[2] == 'd') ? 3 : 0;
}

/* The value behind such a name: in quotes, or up to white space or `&`. */
static struct span value_behind(const char *p, const char *end) {
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p < end && is_quote(*p)) {
		const char *to = p + 1;
		while (to < end && *to != *p)
			to += *to == '\\' && to + 1 < end ? 2 : 1;
		return (struct span){p + 1, to};
	}
	const char *to = p;
	while (to < end && !is_space(*to) && *to != '&')
		to++;
	return (struct span){p, to};
}

/* ---- URIs ---- */

/* Is what stands between a colon and `end` no port? Punctuation of the sentence around may end it. */
static bool hides_password(const char *p, const char *end, bool has_host) {
	if (p == end)
		return false;
	const char *port = p;
	while (p < end && isdigit((unsigned char)*p))
		p++;
	size_t left = (size_t)(end - p);
	if (p == port)
		return left > 1 || !memchr(PUNCTUATION, *p, sizeof PUNCTUATION - 1);
	while (left > 0 && memchr(PUNCTUATION, p[left - 1], sizeof PUNCTUATION - 1))
		left--;
	return !has_host || left > 0;
}

/* The first colon among comma-separated hosts that something else than a port follows. */
static const char *find_odd_port(const char *p, const char *end) {
	while (p < end && !strchr("/?#", *p)) {
		const char *host = p;
		if (*p == '[')
			while (p < end && !strchr("]/?#", *p))
				p++;
		while (p < end && !strchr(":,/?#", *p))
			p++;
		if (p < end && *p == ':') {
			const char *tail = p + 1;
			while (tail < end && !strchr(",/?#", *tail))
				tail++;
			if (hides_password(p + 1, tail, p > host))
				return p;
			p = tail;
		}
		if (p < end && *p == ',')
			p++;
	}
	return NULL;
}

static const char *find_query_secret(const char *p, const char *end) {
	const char *start = p;
	for (; p < end; p++) {
		size_t n = sign_length(p, end);
		if (n > 0 && *p != ':' && follows_name(start, p, p + n))
			return p + n;
	}
	return end;
}

static const char *find_last_at(const char *from, const char *to) {
	while (to > from)
		if (*--to == '@')
			return to;
	return NULL;
}

/* What is known of the text ahead, so that a text full of `://` is not gone through again for each. */
struct ahead {
	const char *token_end, *at; /* the next white space, the last @ before it */
	const char *query;          /* the value of the next secret in a query, or token_end */
	const char *line_end, *line_at;
};

static void look_for_secret(struct ahead *ahead, const char *p, const char *end) {
	if (p > ahead->token_end) {
		ahead->token_end = find_space(p, end);
		ahead->at = find_last_at(p, ahead->token_end);
		ahead->query = NULL;
	}
	if (ahead->query == NULL || p > ahead->query)
		ahead->query = find_query_secret(p, ahead->token_end);
}

/* The last @ of the line behind the token. */
static const char *last_at_of_line(struct ahead *ahead, const char *end) {
	if (ahead->token_end > ahead->line_end) {
		ahead->line_end = find_line_end(ahead->token_end, end);
		ahead->line_at = find_last_at(ahead->token_end, ahead->line_end);
	}
	return ahead->line_at && ahead->line_at > ahead->token_end ? ahead->line_at : NULL;
}

/* What is to be hidden behind the `://` that ends at p. Empty: nothing. */
static struct span uri_secret(struct ahead *ahead, const char *p, const char *end) {
	look_for_secret(ahead, p, end);
	if (ahead->at && ahead->at > p) {
		/* Either the password is before the @, or it is a value that has an @ in it: the whole of both. */
		bool in_value = ahead->query < ahead->at;
		return (struct span){p, in_value ? value_behind(ahead->at, ahead->token_end).to : ahead->at};
	}
	const char *colon = find_odd_port(p, ahead->query);
	if (colon == NULL)
		return (struct span){p, p};
	/* A password with white space in it goes up to the @ behind it. */
	const char *at = last_at_of_line(ahead, end);
	return (struct span){colon + 1, at ? at : value_behind(ahead->query, ahead->token_end).to};
}

/* ---- all of it ---- */

/* MySQL's `using password: YES` says only whether there was one. */
static bool says_whether(const char *start, const char *p, struct span value) {
	static const char phrase[] = "using password";
	size_t size = (size_t)(value.to - value.from), before = sizeof phrase - 1;
	if ((size_t)(p - start) < before || memcmp(p - before, phrase, before) != 0)
		return false;
	if (size > 0 && value.from[size - 1] == ')')
		size--;
	return (size == 3 && memcmp(value.from, "YES", 3) == 0) || (size == 2 && memcmp(value.from, "NO", 2) == 0);
}

void reef_redact_add(struct reef_text *t, const char *text, size_t size) {
	const char *end = text + size, *done = text;
	struct ahead ahead = {0};
	for (const char *p = text; p < end; p++) {
		size_t n = sign_length(p, end);
		if (n == 0 || p + n == end)
			continue;
		struct span secret = {p, p};
		if (*p == ':' && end - p > 3 && p[1] == '/' && p[2] == '/')
			secret = uri_secret(&ahead, p + 3, end);
		else if (follows_arguments(done, p))
			secret = (struct span){p + n, find_line_end(p, end)};
		else if (follows_name(done, p, p + n))
			secret = value_behind(p + n, end);
		if (secret.to <= secret.from || says_whether(done, p, secret))
			continue;
		reef_text_add(t, done, (size_t)(secret.from - done));
		reef_text_add(t, "***", 3);
		done = secret.to;
		p = done - 1;
	}
	reef_text_add(t, done, (size_t)(end - done));
}

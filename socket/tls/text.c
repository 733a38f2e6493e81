/* See text.h. Words that name the peer and what to look at. */
#include "text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* OpenSSL numbers the alerts of a peer (RFC 8446, section 6) from here. */
#define ALERT(number) (SSL_AD_REASON_OFFSET + (number))
#define QUOTED 48

__attribute__((format(printf, 2, 3))) static void print_text(char *text, const char *format, ...) {
	va_list args;
	va_start(args, format);
	vsnprintf(text, REEF_TLS_TEXT, format, args);
	va_end(args);
}

static void append_item(char *text, size_t size, const char *more, size_t n) {
	size_t length = strlen(text);
	snprintf(text + length, size - length, "%s%.*s", length ? ", " : "", (int)n, more);
}

static void certificate_date(const ASN1_TIME *time, char *text, size_t size) {
	struct tm tm;
	if (time == NULL || !ASN1_TIME_to_tm(time, &tm) || strftime(text, size, "%Y-%m-%d", &tm) == 0)
		snprintf(text, size, "?");
}

static void append_name(const GENERAL_NAME *name, char *text, size_t size) {
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
	if (type == GEN_DNS) {
		append_item(text, size, (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
	} else if (type == GEN_IPADD) {
		char ip[INET6_ADDRSTRLEN];
		int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
		bool whole = ASN1_STRING_length(value) == 4 || ASN1_STRING_length(value) == 16;
		if (whole && inet_ntop(family, ASN1_STRING_get0_data(value), ip, sizeof ip))
			append_item(text, size, ip, strlen(ip));
	}
}

void reef_tls_text_names(const X509 *certificate, char *text, size_t size) {
	text[0] = '\0';
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		append_name(sk_GENERAL_NAME_value(names, i), text, size);
	GENERAL_NAMES_free(names);
	if (text[0] == '\0')
		X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, (int)size);
	/* A certificate may hold anything. */
	for (char *c = text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = '?';
	}
}

/* The certificate that the verification stopped at: the peer's own, or one above it. */
static void whose(const X509 *certificate, int depth, const char *where, char *text, size_t size) {
	char names[128];
	if (depth == 0) {
		snprintf(text, size, "certificate of %s", where);
		return;
	}
	reef_tls_text_names(certificate, names, sizeof names);
	snprintf(text, size, "certificate of the authority '%s' behind %s", names, where);
}

void reef_tls_text_unverified(char *text, X509_STORE_CTX *store, const char *where, const char *name) {
	int error = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);
	const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	char subject[256] = "certificate", names[160], date[32];
	if (certificate)
		whose(certificate, depth, where, subject, sizeof subject);
	switch (certificate ? error : X509_V_ERR_UNSPECIFIED) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		certificate_date(X509_get0_notAfter(certificate), date, sizeof date);
		print_text(text, "tls: %s has expired (%s)", subject, date);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		certificate_date(X509_get0_notBefore(certificate), date, sizeof date);
		print_text(text, "tls: %s is not valid yet (from %s)", subject, date);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		reef_tls_text_names(certificate, names, sizeof names);
		print_text(text, "tls: %s is for '%s', not '%s'", subject, names, name);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		print_text(text, "tls: certificate of %s is signed by itself, which is no known authority (ca_file, ca_dir)",
				   where);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, names, sizeof names);
		print_text(text, "tls: certificate of %s is signed by an unknown authority, '%s' (ca_file, ca_dir)", where,
				   names);
		break;
	default:
		print_text(text, "tls: %s is not accepted: %s", subject, X509_verify_cert_error_string(error));
		break;
	}
}

const char *reef_tls_text_reason(void) {
	unsigned long error = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(error);
	ERR_clear_error();
	return reason ? reason : "unknown error";
}

/* What the peer had against our certificate; NULL: nothing. */
static const char *text_refusal(int reason) {
	switch (reason) {
	case ALERT(SSL_AD_BAD_CERTIFICATE):
		return "it is bad";
	case ALERT(SSL_AD_UNSUPPORTED_CERTIFICATE):
		return "it is of an unsupported kind";
	case ALERT(SSL_AD_CERTIFICATE_REVOKED):
		return "it is revoked";
	case ALERT(SSL_AD_CERTIFICATE_EXPIRED):
		return "it has expired";
	case ALERT(SSL_AD_CERTIFICATE_UNKNOWN):
		return "it is not accepted";
	case ALERT(SSL_AD_UNKNOWN_CA):
		return "it is signed by an unknown authority";
	default:
		return NULL;
	}
}

void reef_tls_text_failure(char *text, const char *where, bool server, bool established) {
	/* The first error is the cause, later ones are its consequences. */
	unsigned long error = ERR_peek_error();
	int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
	const char *words = ERR_reason_error_string(error), *refused = text_refusal(reason);
	if (words == NULL)
		words = "the connection ended";
	if (refused)
		print_text(text, "tls: %s refuses our certificate: %s", where, refused);
	else if (reason == ALERT(SSL_AD_CERTIFICATE_REQUIRED))
		print_text(text, "tls: %s requires a client certificate (cert_file, key_file)", where);
	else if (reason == ALERT(SSL_AD_PROTOCOL_VERSION) || reason == SSL_R_UNSUPPORTED_PROTOCOL ||
			 reason == SSL_R_WRONG_SSL_VERSION)
		print_text(text, "tls: %s speaks no version of TLS that is allowed here: 1.2 is the oldest", where);
	else if (reason == ALERT(SSL_AD_UNRECOGNIZED_NAME))
		print_text(text, "tls: %s does not know the name that was asked for", where);
	else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		print_text(text, "tls: %s showed no client certificate", where);
	else if (reason == SSL_R_WRONG_VERSION_NUMBER && !established)
		print_text(text, "tls: %s does not speak TLS", where);
	else if (reason == SSL_R_NO_SHARED_CIPHER || reason == ALERT(SSL_AD_HANDSHAKE_FAILURE))
		print_text(text, "tls: %s and we have no cipher or signature in common, or it wants a client certificate (%s)",
				   where, words);
	else if (reason == SSL_R_NO_CERTIFICATE_SET && server)
		print_text(text, "tls: no certificate to show to %s (cert_file)", where);
	else if (reason == SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC)
		print_text(text, "tls: what came from %s is damaged", where);
	else
		print_text(text, "tls: %s %s: %s", established ? "connection with" : "handshake with", where, words);
	ERR_clear_error();
}

void reef_tls_text_plain(char *text, const char *where, const char *bytes, size_t n) {
	char quoted[QUOTED + 1];
	size_t size = 0;
	while (size < n && size < QUOTED && isprint((unsigned char)bytes[size])) {
		quoted[size] = bytes[size];
		size++;
	}
	quoted[size] = '\0';
	if (size >= 3)
		print_text(text, "tls: %s does not speak TLS: it says '%s'", where, quoted);
	else
		print_text(text, "tls: %s does not speak TLS", where);
}

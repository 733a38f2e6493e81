/* See command.h. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TYPE 3 /* PTYPE_CLIENT */
#define ADDRESS_ANY "0.0.0.0"

/* `8888`, `:8888`, `127.0.0.1:8888` or `[::1]:8888`. */
static bool parse_address(struct reef_gate_param *param, const char *text) {
	const char *port = text[0] == ':' ? text + 1 : text;
	if (port[0] == '\0' || port[strspn(port, "0123456789")] != '\0') {
		snprintf(param->host, sizeof param->host, "%s", text);
		param->port = -1;
		return true;
	}
	snprintf(param->host, sizeof param->host, "%s", ADDRESS_ANY);
	long n = strtol(port, NULL, 10);
	param->port = (int)n;
	return n <= 65535;
}

bool reef_gate_parse_param(struct reef_gate_param *param, const char *text, const char **error) {
	char kind = 0, address[REEF_GATE_WORD] = "";
	int n = sscanf(text, " %c %127s %127s %d %d", &kind, param->watchdog, address, &param->type, &param->max);
	*error = NULL;
	if (n < 5)
		*error = "gate needs: <S|L> <watchdog|!> <address> <ptype|0> <max>";
	else if (kind != 'S' && kind != 'L')
		*error = "the length in front of packets is S (2 bytes) or L (4 bytes)";
	else if (!parse_address(param, address))
		*error = "a port is at most 65535";
	else if (param->type < 0 || param->type > 255)
		*error = "a type of messages is 1 to 255, or 0 for the type `client`";
	else if (param->max <= 0)
		*error = "the number of clients must be positive";
	param->header = kind == 'S' ? 2 : 4;
	if (param->type == 0)
		param->type = DEFAULT_TYPE;
	return *error == NULL;
}

struct reef_gate_command reef_gate_parse_command(const char *text, size_t n) {
	struct reef_gate_command command = {.verb = REEF_GATE_UNKNOWN};
	char line[4 * REEF_GATE_WORD], verb[16] = "", end;
	if (n == 0 || n >= sizeof line || memchr(text, '\0', n))
		return command;
	memcpy(line, text, n);
	line[n] = '\0';
	int at = 0;
	if (sscanf(line, " %15s%n", verb, &at) != 1)
		return command;
	const char *rest = line + at;
	if (strcmp(verb, "kick") == 0 && sscanf(rest, " %d %c", &command.id, &end) == 1)
		command.verb = REEF_GATE_KICK;
	else if (strcmp(verb, "start") == 0 && sscanf(rest, " %d %c", &command.id, &end) == 1)
		command.verb = REEF_GATE_START;
	else if (strcmp(verb, "close") == 0 && sscanf(rest, " %c", &end) != 1)
		command.verb = REEF_GATE_CLOSE;
	else if (strcmp(verb, "broker") == 0 && sscanf(rest, " %127s %c", command.agent, &end) == 1)
		command.verb = REEF_GATE_BROKER;
	else if (strcmp(verb, "forward") == 0 &&
			 sscanf(rest, " %d %127s %127s %c", &command.id, command.agent, command.client, &end) == 3)
		command.verb = REEF_GATE_FORWARD;
	return command;
}

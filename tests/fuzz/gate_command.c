/* Whatever is said to the C service `gate`: what is understood stays within its fields, and is understood again when it is
 * written down. The first byte says whether the rest is a launch's parameter or a command. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/gate/command.h"

static void check_param(const char *text) {
	struct reef_gate_param param, again;
	const char *error;
	if (!reef_gate_parse_param(&param, text, &error)) {
		assert(error && *error);
		return;
	}
	assert(param.header == 2 || param.header == 4);
	assert(param.port >= -1 && param.port <= 65535 && param.type > 0 && param.type < 256 && param.max > 0);
	char line[512], address[2 * REEF_GATE_WORD];
	if (param.port >= 0)
		snprintf(address, sizeof address, "%d", param.port);
	else
		snprintf(address, sizeof address, "%s", param.host);
	snprintf(line, sizeof line, "%c %s %s %d %d", param.header == 2 ? 'S' : 'L', param.watchdog, address, param.type,
			 param.max);
	assert(reef_gate_parse_param(&again, line, &error));
	assert(again.port == param.port && again.type == param.type && again.max == param.max);
	assert(strcmp(again.host, param.host) == 0 && strcmp(again.watchdog, param.watchdog) == 0);
}

static void check_command(const char *text, size_t n) {
	struct reef_gate_command command = reef_gate_parse_command(text, n);
	assert(strlen(command.agent) < REEF_GATE_WORD && strlen(command.client) < REEF_GATE_WORD);
	if (command.verb == REEF_GATE_FORWARD) {
		char line[512];
		int size = snprintf(line, sizeof line, "forward %d %s %s", command.id, command.agent, command.client);
		struct reef_gate_command again = reef_gate_parse_command(line, (size_t)size);
		assert(again.verb == REEF_GATE_FORWARD && again.id == command.id && strcmp(again.agent, command.agent) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size == 0)
		return 0;
	char *text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] & 1)
		check_param(text);
	else
		check_command(text, size - 1);
	free(text);
	return 0;
}

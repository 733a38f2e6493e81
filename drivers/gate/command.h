/* The texts that the C service `gate` understands. Nothing is kept; any thread. */
#ifndef REEF_GATE_COMMAND_H
#define REEF_GATE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#define REEF_GATE_WORD 128 /* bytes of an address or a name, with the zero behind it */

/* `<S|L> <watchdog|!> <address> <ptype|0> <max>` */
struct reef_gate_param {
	int header; /* bytes of a packet's length: 2 or 4 */
	char watchdog[REEF_GATE_WORD];
	char host[REEF_GATE_WORD];
	int port; /* -1: the host says it */
	int type; /* of messages to agents and the broker, 1 to 255 */
	int max;  /* clients */
};

/* False: it is none, *error says what is wrong. */
bool reef_gate_parse_param(struct reef_gate_param *param, const char *text, const char **error);

enum reef_gate_verb {
	REEF_GATE_UNKNOWN,
	REEF_GATE_KICK,    /* kick N */
	REEF_GATE_FORWARD, /* forward N :agent :client */
	REEF_GATE_BROKER,  /* broker .name */
	REEF_GATE_START,   /* start N */
	REEF_GATE_CLOSE,   /* close */
};

struct reef_gate_command {
	enum reef_gate_verb verb;
	int id;
	char agent[REEF_GATE_WORD]; /* the broker, too */
	char client[REEF_GATE_WORD];
};

/* Of n bytes, which need no zero behind them. */
struct reef_gate_command reef_gate_parse_command(const char *text, size_t n);

#endif

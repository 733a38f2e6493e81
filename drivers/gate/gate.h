/* The C service `gate`: see gate.c. */
#ifndef REEF_GATE_GATE_H
#define REEF_GATE_GATE_H

struct skynet_context;
struct reef_gate;

/* What a C service exports (core/skynet.h). */
void *reef_gate_create(void);
int reef_gate_init(void *gate, struct skynet_context *context, const char *param);
void reef_gate_release(void *gate);

#endif

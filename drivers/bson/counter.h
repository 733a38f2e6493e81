/* Keys of arrays: decimal numbers from 0 on, counted up as text. Free of state. */
#ifndef REEF_BSON_COUNTER_H
#define REEF_BSON_COUNTER_H

/* The text is from `first` on. */
struct reef_bson_counter {
	char text[20];
	int first;
};

static inline void reef_bson_counter_start(struct reef_bson_counter *c) {
	c->first = (int)sizeof(c->text) - 1;
	c->text[c->first] = '0';
}

static inline void reef_bson_counter_next(struct reef_bson_counter *c) {
	int i = (int)sizeof(c->text) - 1;
	while (i >= c->first && c->text[i] == '9') {
		c->text[i--] = '0';
	}
	if (i < c->first) {
		c->text[--c->first] = '1';
	} else {
		c->text[i]++;
	}
}

#endif

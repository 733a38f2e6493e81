/* What documents at one place look like, so that the next one there becomes a table without a look-up for each key.
 *
 * The documents of a batch mostly have the same keys in the same order, and so have those in their fields. A model is
 * learned from a document, and tried on the next one at its place. Where that goes another way, the rest of it is decoded
 * as any other document is, and after two of these in a row the model is made anew; where it never fits it is given up.
 * Models belong to a userdatum of the VM. Own slice only; raises.
 */
#ifndef REEF_BSON_MODELS_H
#define REEF_BSON_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "reader.h"

struct reef_bson_models;

enum { REEF_BSON_NO_MODEL = -1, REEF_BSON_FIRST_MODEL = 0 };

struct reef_bson_field {
	const char *key; /* NUL-terminated */
	uint32_t key_size;
	int place; /* in the tables, by sharetable/overlay/model.h */
	int inner; /* the model of documents in this field; REEF_BSON_NO_MODEL: none */
};

struct reef_bson_model {
	const void *table;
	int count;
	struct reef_bson_field fields[];
};

/* Pushes a set of models that knows none yet. */
void reef_bson_models_push(lua_State *L);
/* The set at `index`, for one document and all that is in it, until `leave`; NULL: it is in use, by whom a finalizer has
 * interrupted. One that was left by an error is not used again. */
struct reef_bson_models *reef_bson_models_enter(lua_State *L, int index);
void reef_bson_models_leave(struct reef_bson_models *models);
/* The model for documents at that place; NULL: there is none. */
const struct reef_bson_model *reef_bson_models_get(const struct reef_bson_models *models, int place);
/* Says of the model whether it fitted. */
void reef_bson_models_tried(struct reef_bson_models *models, int place, bool fitted);
/* Would it help to learn from the next document at that place? */
bool reef_bson_models_wants(const struct reef_bson_models *models, int place);
/* Learns from a document that was decoded without fault, the set being at `index`. */
void reef_bson_models_learn(lua_State *L, int index, int place, const uint8_t *data, size_t size);

#endif

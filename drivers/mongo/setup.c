/* See setup.h. */
#include "setup.h"

#include "batch.h"
#include "core/host/host.h"
#include "drivers/bson/decode.h"
#include "lua_mongo.h"
#include "message.h"
#include "shape.h"

void reef_mongo_setup(void) {
	reef_mongo_message_setup();
	reef_bson_decode_set_batch(reef_mongo_batch_take);
	reef_host_preload("reef.mongo.core", reef_lua_mongo_open);
	reef_host_add_harmless(reef_mongo_shape_new);
}

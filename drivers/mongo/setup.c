/* Makes the modules of this driver known. */
#include "mongo.h"

#include "bson.h"
#include "core/host.h"

void reef_mongo_setup(void) {
	reef_host_preload("bson", reef_open_bson);
}

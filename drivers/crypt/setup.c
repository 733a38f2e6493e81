/* Makes the modules of this driver known. */
#include "crypt.h"

#include "core/host/host.h"

void reef_crypt_setup(void) {
	reef_host_preload("skynet.crypt", reef_open_crypt);
	reef_host_preload("client.crypt", reef_open_crypt);
	reef_host_preload("reef.digest", reef_open_digest);
	reef_host_preload("md5", reef_open_md5);
	reef_host_preload("md5.core", reef_open_md5);
}

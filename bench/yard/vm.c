/* What a Lua VM costs without any runtime around it: created with all libraries and closed again, and its memory. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { VMS = 2000 };

static double cpu(void) {
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double resident_kib(void) {
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

int main(void) {
	static lua_State *vms[VMS];
	double start = cpu(), before = resident_kib();
	for (int i = 0; i < VMS; i++) {
		vms[i] = luaL_newstate();
		if (!vms[i])
			return 1;
		luaL_openlibs(vms[i]);
	}
	printf("RESULT vm cpu=%.9g\nRESULT vm_memory kib=%.9g\n", (cpu() - start) / VMS, (resident_kib() - before) / VMS);
	start = cpu();
	for (int i = 0; i < VMS; i++)
		lua_close(vms[i]);
	printf("RESULT vm_close cpu=%.9g\n", (cpu() - start) / VMS);
	return 0;
}

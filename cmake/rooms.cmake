# The rooms: one static library each, from whatever C files are there.
#
# reef_everything is what an executable links: all rooms, the list of their setup functions, and Lua as a whole, so that
# C modules loaded at run time find every function of its API.
set(rooms_above_core socket drivers sharetable datasheet)
set(uses_core Threads::Threads)
if(REEF_JEMALLOC)
	list(APPEND uses_core PkgConfig::JEMALLOC)
endif()
set(uses_socket OpenSSL::SSL PkgConfig::CARES)
set(uses_drivers reef_hiredis PkgConfig::BSON PkgConfig::IDN OpenSSL::SSL)
if(ZLIB_FOUND)
	list(APPEND uses_drivers ZLIB::ZLIB)
endif()
set(uses_sharetable)
set(uses_datasheet PkgConfig::JANSSON ${csv_library})

set(room_libraries)
set(declarations)
set(entries)
foreach(room core ${rooms_above_core})
	file(GLOB sources CONFIGURE_DEPENDS ${room}/*.c)
	if(room STREQUAL drivers)
		file(GLOB sources CONFIGURE_DEPENDS drivers/*.c drivers/*/*.c)
	elseif(room STREQUAL datasheet)
		file(GLOB sources CONFIGURE_DEPENDS datasheet/*.c datasheet/*.cc)
	endif()
	list(FILTER sources EXCLUDE REGEX "/core/main\\.c$")
	if(NOT sources)
		continue()
	endif()
	add_library(reef_${room} STATIC ${sources})
	target_link_libraries(reef_${room} PUBLIC reef_lua ${uses_${room}} PRIVATE reef_flags)
	target_include_directories(reef_${room} PUBLIC ${PROJECT_SOURCE_DIR} PRIVATE ${PROJECT_SOURCE_DIR}/core)
	if(REEF_JEMALLOC)
		target_compile_definitions(reef_${room} PRIVATE REEF_JEMALLOC=1)
	endif()
	if(ZLIB_FOUND)
		target_compile_definitions(reef_${room} PRIVATE REEF_ZLIB=1)
	endif()
	if(room STREQUAL core)
		target_link_libraries(reef_core PRIVATE reef_hot)
	endif()
	list(APPEND room_libraries reef_${room})
	if(NOT room STREQUAL core)
		string(APPEND declarations "void reef_${room}_setup(void);\n")
		string(APPEND entries "\treef_${room}_setup,\n")
	endif()
endforeach()

file(CONFIGURE OUTPUT rooms.c CONTENT [[
/* Written by cmake/rooms.cmake. */
#include <stddef.h>

#include "core/rooms.h"

@declarations@
void (*const reef_rooms[])(void) = {
@entries@	NULL,
};
]] @ONLY)
add_library(reef_rooms STATIC ${PROJECT_BINARY_DIR}/rooms.c)
target_link_libraries(reef_rooms PRIVATE reef_flags)

# One group, because the overlay of Lua and the room sharetable call each other. jemalloc comes before anything that
# allocates.
add_library(reef_everything INTERFACE)
target_link_libraries(reef_everything INTERFACE
	reef_flags
	-Wl,--start-group ${room_libraries} reef_rooms -Wl,--whole-archive reef_lua -Wl,--no-whole-archive -Wl,--end-group)

# The rooms: each a static library from the C files of its folders, lowest first.
#
# A room sees the headers of the rooms that it may use, and no others: its include directory (build/<preset>/walls/<room>)
# holds links to these, but for the ones called *_private.h. And it is linked once, with just those rooms, into a program
# that does nothing (wall_<room>); so a call through a wall ends the build even where no header was needed for it.
#
# reef_everything is what an executable links: all rooms, the list of their setup functions, and Lua as a whole, so that
# C modules loaded at run time find every function of its API.

# What core/main.c is made of is not part of a room.
set(reef_folders_lua sharetable/overlay)
set(room_libraries)
set(declarations)
set(entries)

# Makes the include directory of a room: `walls`, with the headers of these folders.
function(reef_link_headers walls own)
	foreach(folder ${ARGN})
		file(GLOB headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.h)
		if(NOT own)
			list(FILTER headers EXCLUDE REGEX "_private\\.h$")
		endif()
		file(MAKE_DIRECTORY ${walls}/${folder})
		foreach(header ${headers})
			file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${header} ${walls}/${header} SYMBOLIC)
		endforeach()
	endforeach()
endfunction()

# reef_room(NAME FOLDERS folder... [MAY room...] [LIBRARIES library...] [WITHOUT file...] [NO_SETUP])
# WITHOUT: files that are left out, because what they need is not there.
function(reef_room name)
	cmake_parse_arguments(room "NO_SETUP" "" "FOLDERS;MAY;LIBRARIES;WITHOUT" ${ARGN})
	set(sources)
	foreach(folder ${room_FOLDERS})
		file(GLOB found CONFIGURE_DEPENDS ${folder}/*.c ${folder}/*.cc)
		list(APPEND sources ${found})
	endforeach()
	list(FILTER sources EXCLUDE REGEX "/core/main\\.c$")
	foreach(file ${room_WITHOUT})
		list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/${file})
	endforeach()

	set(walls ${PROJECT_BINARY_DIR}/walls/${name})
	file(REMOVE_RECURSE ${walls})
	reef_link_headers(${walls} TRUE ${room_FOLDERS})
	foreach(other ${room_MAY})
		reef_link_headers(${walls} FALSE ${reef_folders_${other}})
	endforeach()

	add_library(reef_${name} STATIC ${sources})
	target_include_directories(reef_${name} PRIVATE ${walls})
	list(TRANSFORM room_MAY PREPEND reef_ OUTPUT_VARIABLE may)
	target_link_libraries(reef_${name} PRIVATE reef_flags PUBLIC ${may} ${room_LIBRARIES})
	if(REEF_JEMALLOC)
		target_compile_definitions(reef_${name} PRIVATE REEF_JEMALLOC=1)
	endif()
	if(ZLIB_FOUND)
		target_compile_definitions(reef_${name} PRIVATE REEF_ZLIB=1)
	endif()

	# The list of rooms is for whoever starts up; the wall has none.
	if(NOT REEF_SANITIZE)
		file(CONFIGURE OUTPUT wall.c CONTENT "int main(void) {\n\treturn 0;\n}\n" @ONLY)
		add_executable(wall_${name} ${PROJECT_BINARY_DIR}/wall.c)
		target_link_libraries(wall_${name} PRIVATE
			reef_base -Wl,--whole-archive reef_${name} -Wl,--no-whole-archive ${may} ${room_LIBRARIES})
		target_link_options(wall_${name} PRIVATE ${reef_test_link_options})
		set_target_properties(wall_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/walls)
	endif()

	set(reef_folders_${name} ${room_FOLDERS} PARENT_SCOPE)
	set(room_libraries ${room_libraries} reef_${name} PARENT_SCOPE)
	if(NOT room_NO_SETUP)
		set(declarations "${declarations}void reef_${name}_setup(void);\n" PARENT_SCOPE)
		set(entries "${entries}\treef_${name}_setup,\n" PARENT_SCOPE)
	endif()
endfunction()

set(core_libraries Threads::Threads)
if(REEF_JEMALLOC)
	list(APPEND core_libraries PkgConfig::JEMALLOC)
endif()
set(crypt_libraries OpenSSL::SSL PkgConfig::IDN)
set(mongo_libraries)
set(mongo_definitions)
if(ZLIB_FOUND)
	list(APPEND mongo_libraries ZLIB::ZLIB)
endif()
if(ZSTD_FOUND)
	list(APPEND mongo_libraries PkgConfig::ZSTD)
	list(APPEND mongo_definitions REEF_ZSTD=1)
endif()
if(snappy_library AND snappy_header)
	list(APPEND mongo_libraries ${snappy_library})
	list(APPEND mongo_definitions REEF_SNAPPY=1)
endif()
set(profile_libraries ${CMAKE_DL_LIBS})
if(ZLIB_FOUND)
	list(APPEND profile_libraries ZLIB::ZLIB)
endif()
set(http_libraries OpenSSL::SSL)
set(http_without)
if(REEF_HAS_HTTP)
	list(APPEND http_libraries reef_llhttp)
else()
	list(APPEND http_without drivers/http/parser.c drivers/http/lua_fields.c drivers/http/lua_http.c)
endif()
if(REEF_HAS_WEBSOCKET)
	list(APPEND http_libraries ${wslay_library} ZLIB::ZLIB)
else()
	list(APPEND http_without drivers/http/deflate.c drivers/http/frame_cut.c drivers/http/frames.c drivers/http/lua_frames.c)
endif()

set(tools_libraries)
if(LIBEDIT_FOUND)
	list(APPEND tools_libraries PkgConfig::LIBEDIT)
endif()

set(datasheet_libraries PkgConfig::JANSSON ${csv_library})
set(datasheet_without)
if(REEF_HAS_SIMDJSON)
	list(APPEND datasheet_libraries PkgConfig::SIMDJSON)
else()
	set(datasheet_without datasheet/load_json_fast.cc)
endif()

set(mysql_libraries)
set(mysql_without)
if(MARIADB_FOUND)
	list(APPEND mysql_libraries PkgConfig::MARIADB OpenSSL::SSL)
else()
	set(mysql_without calls column parameters connection reading greeting opening lua_mysql)
	list(TRANSFORM mysql_without REPLACE "(.+)" "drivers/mysql/\\1.c")
endif()
set(postgres_libraries)
set(postgres_without)
if(POSTGRES_FOUND)
	list(APPEND postgres_libraries PkgConfig::POSTGRES)
else()
	set(postgres_without column connection reading lua_postgres)
	list(TRANSFORM postgres_without REPLACE "(.+)" "drivers/postgres/\\1.c")
endif()

reef_room(core FOLDERS core LIBRARIES ${core_libraries} ${CMAKE_DL_LIBS} NO_SETUP)
reef_room(host FOLDERS core/host MAY core lua)
reef_room(sim FOLDERS core/sim MAY core host lua)
reef_room(record FOLDERS core/record MAY core host lua)
reef_room(tools FOLDERS core/tools MAY core host lua LIBRARIES ${tools_libraries})
target_compile_definitions(reef_tools PRIVATE $<$<BOOL:${LIBEDIT_FOUND}>:REEF_LIBEDIT=1>)
reef_room(fd FOLDERS socket/fd MAY core host lua NO_SETUP)
reef_room(dns FOLDERS socket/names MAY fd core LIBRARIES PkgConfig::CARES NO_SETUP)
reef_room(tls FOLDERS socket/tls MAY core LIBRARIES OpenSSL::SSL NO_SETUP)
reef_room(socket FOLDERS socket MAY tls dns fd core)
reef_room(socket_lua FOLDERS socket/lua MAY socket tls dns fd core host lua)
reef_room(gate FOLDERS drivers/gate MAY socket_lua socket core host lua)
reef_room(channel FOLDERS drivers/channel MAY socket tls core host lua NO_SETUP)
reef_room(cluster FOLDERS drivers/cluster MAY core host lua)
reef_room(crypt FOLDERS drivers/crypt MAY core host lua LIBRARIES ${crypt_libraries})
reef_room(sproto FOLDERS drivers/sproto MAY core host lua)
reef_room(http FOLDERS drivers/http MAY socket_lua socket core host lua LIBRARIES ${http_libraries} WITHOUT ${http_without})
target_compile_definitions(reef_http PRIVATE
	$<$<BOOL:${REEF_HAS_HTTP}>:REEF_HTTP=1> $<$<BOOL:${REEF_HAS_WEBSOCKET}>:REEF_WEBSOCKET=1>)
reef_room(redis FOLDERS drivers/redis MAY channel socket_lua socket tls core host lua LIBRARIES reef_hiredis)
reef_room(bson FOLDERS drivers/bson MAY core host lua LIBRARIES PkgConfig::BSON)
reef_room(mongo FOLDERS drivers/mongo MAY bson channel socket_lua socket tls core host lua LIBRARIES ${mongo_libraries})
target_compile_definitions(reef_mongo PRIVATE ${mongo_definitions})
reef_room(sql FOLDERS drivers/sql MAY fd core host lua)
reef_room(mysql FOLDERS drivers/mysql MAY sql fd core host lua LIBRARIES ${mysql_libraries} WITHOUT ${mysql_without})
target_compile_definitions(reef_mysql PRIVATE $<$<BOOL:${MARIADB_FOUND}>:REEF_MYSQL=1>)
reef_room(postgres FOLDERS drivers/postgres MAY sql fd core host lua LIBRARIES ${postgres_libraries} WITHOUT ${postgres_without})
target_compile_definitions(reef_postgres PRIVATE $<$<BOOL:${POSTGRES_FOUND}>:REEF_POSTGRES=1>)
reef_room(pool FOLDERS drivers/pool MAY redis mongo bson channel socket_lua socket tls core host lua)
reef_room(sharetable FOLDERS sharetable MAY core host lua)
reef_room(datasheet FOLDERS datasheet MAY sharetable core host lua
	LIBRARIES ${datasheet_libraries} WITHOUT ${datasheet_without})
target_compile_definitions(reef_datasheet PRIVATE $<$<BOOL:${REEF_HAS_SIMDJSON}>:REEF_SIMDJSON=1>)
reef_room(cache FOLDERS drivers/cache MAY datasheet sharetable core host lua)
reef_room(profile FOLDERS core/profile MAY core host lua LIBRARIES ${profile_libraries})
target_link_libraries(reef_core PRIVATE reef_hot)
# The C API is for what is loaded at run time: nothing inside asks for it.
target_link_options(reef_core INTERFACE -Wl,--undefined=skynet_send)
target_link_options(reef_host INTERFACE -Wl,--undefined=reef_task_on_stack)
target_link_libraries(reef_host PRIVATE reef_hot)
if(CMAKE_LIBRARY_ARCHITECTURE)
	target_compile_definitions(reef_host PRIVATE REEF_MULTIARCH="${CMAKE_LIBRARY_ARCHITECTURE}")
endif()

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
target_include_directories(reef_rooms PRIVATE ${PROJECT_SOURCE_DIR})

# One group, because of the list. jemalloc comes before anything that allocates.
add_library(reef_everything INTERFACE)
target_include_directories(reef_everything INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(reef_everything INTERFACE
	reef_flags
	-Wl,--start-group ${room_libraries} reef_rooms -Wl,--whole-archive reef_lua -Wl,--no-whole-archive -Wl,--end-group)

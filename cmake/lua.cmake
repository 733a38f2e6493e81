# Lua, as the static library reef_lua, from pristine sources.
#
# The overlay: a file sharetable/overlay/ov_<name>.c is compiled in the place of Lua's <name>.c (which it includes as
# "<name>.c"); the core files that have no such wrapper are compiled with sharetable/overlay/ov.h included first; other
# C files in that directory are compiled into the library too. Without the directory this is stock Lua. REEF_OVERLAY=OFF
# builds stock Lua although it is there, REEF_OVERLAY_DIR names another one.
set(REEF_LUA_VERSION 5.4.7 CACHE STRING "Lua to build with: 5.4.7 or 5.4.4")
set_property(CACHE REEF_LUA_VERSION PROPERTY STRINGS 5.4.7 5.4.4)
option(REEF_OVERLAY "Build Lua with the hooks for shared data" ON)
set(REEF_OVERLAY_DIR "${PROJECT_SOURCE_DIR}/sharetable/overlay" CACHE PATH "The overlay of Lua")

include(cmake/lua-versions.cmake)
if(NOT DEFINED lua_sum_${REEF_LUA_VERSION} AND NOT REEF_LUA_SOURCE)
	message(FATAL_ERROR "REEF_LUA_VERSION=${REEF_LUA_VERSION}: only 5.4.4 and 5.4.7 can be fetched")
endif()
reef_fetch_lua(lua_tree ${REEF_LUA_VERSION})
if(EXISTS "${lua_tree}/src/lua.h")
	set(lua_dir "${lua_tree}/src")
else()
	set(lua_dir "${lua_tree}")
endif()

# lua.hpp is what an installation has and luac.c and lua.c are programs; the rest is the library.
set(lua_core lapi lcode lctype ldebug ldo ldump lfunc lgc llex lmem lobject lopcodes lparser lstate lstring ltable ltm
	lundump lvm lzio)
set(lua_lib lauxlib lbaselib lcorolib ldblib linit liolib lmathlib loadlib loslib lstrlib ltablib lutf8lib)
# These see none of the internals that an overlay's header needs.
set(lua_plain lctype lopcodes lzio lmem)

set(lua_overlay)
if(REEF_OVERLAY)
	file(GLOB lua_overlay CONFIGURE_DEPENDS "${REEF_OVERLAY_DIR}/*.c" "${REEF_OVERLAY_DIR}/ov.h")
endif()
set(lua_sources)
foreach(name ${lua_core} ${lua_lib})
	set(wrapper "${REEF_OVERLAY_DIR}/ov_${name}.c")
	if(wrapper IN_LIST lua_overlay)
		list(REMOVE_ITEM lua_overlay "${wrapper}")
		list(APPEND lua_sources "${wrapper}")
		set_property(SOURCE "${wrapper}" APPEND PROPERTY OBJECT_DEPENDS "${lua_dir}/${name}.c")
	else()
		list(APPEND lua_sources "${lua_dir}/${name}.c")
		if("${REEF_OVERLAY_DIR}/ov.h" IN_LIST lua_overlay AND name IN_LIST lua_core AND NOT name IN_LIST lua_plain)
			set_property(SOURCE "${lua_dir}/${name}.c" APPEND_STRING PROPERTY COMPILE_FLAGS
				" -include \"${REEF_OVERLAY_DIR}/ov.h\"")
			set_property(SOURCE "${lua_dir}/${name}.c" APPEND PROPERTY OBJECT_DEPENDS "${REEF_OVERLAY_DIR}/ov.h")
		endif()
	endif()
endforeach()
list(FILTER lua_overlay INCLUDE REGEX "\\.c$")
if(lua_overlay)
	set_source_files_properties(${lua_overlay} PROPERTIES COMPILE_DEFINITIONS _GNU_SOURCE COMPILE_OPTIONS -Wextra)
endif()

add_library(reef_lua STATIC ${lua_sources} ${lua_overlay})
target_compile_options(reef_lua PRIVATE -Wall -Wno-unused-parameter)
# The cache of strings by their addresses is part of each VM, and each collection clears it: of stock Lua's 53 times 2 places
# a service uses few. What looks into a VM has to agree on it.
target_compile_definitions(reef_lua PUBLIC LUA_COMPAT_5_3 STRCACHE_N=13 STRCACHE_M=2 PRIVATE LUA_USE_LINUX
	"$<$<CONFIG:Debug>:LUA_USE_APICHECK>")
if(REEF_SANITIZE MATCHES "thread")
	# ThreadSanitizer loses count of its frames with _setjmp and _longjmp, and dies after 65,536 yields.
	target_compile_options(reef_lua PRIVATE "-DLUAI_THROW(L,c)=longjmp((c)->b,1)"
		"-DLUAI_TRY(L,c,a)=if(setjmp((c)->b)==0){a}" "-Dluai_jmpbuf=jmp_buf")
endif()
target_include_directories(reef_lua SYSTEM PUBLIC "${lua_dir}")
target_include_directories(reef_lua PRIVATE "${REEF_OVERLAY_DIR}" "${PROJECT_SOURCE_DIR}")
target_link_libraries(reef_lua PRIVATE reef_base reef_hot PUBLIC m ${CMAKE_DL_LIBS})

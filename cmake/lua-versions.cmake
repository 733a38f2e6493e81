# The versions of Lua that can be fetched: reef_fetch_lua(<out> VERSION), and reef_fetch_lua_tests(<out> VERSION) for the test
# suite of Lua's authors (empty if it cannot be had).
set(lua_sum_5.4.4 164c7849653b80ae67bec4b7473b884bf5cc8d2dca05653475ec2ed27b9ebf61)
set(lua_sum_5.4.7 9fbf5e28ef86c69858f6d3d34eccc32e911c1a28b4120ff3e84aaa70cfbf1e30)
set(lua_tests_sum_5.4.4 04d28355cd67a2299dfe5708b55a0ff221ccb1a3907a3113cc103ccc05ac6aad)
set(lua_tests_sum_5.4.7 8a4898ffe4c7613c8009327a0722db7a41ef861d526c77c5b46114e59ebf811e)

macro(reef_fetch_lua out version)
	reef_fetch(${out} NAME lua VERSION ${version} SHA256 "${lua_sum_${version}}"
		URL https://www.lua.org/ftp/lua-${version}.tar.gz DEBIAN lua5.4)
endmacro()

macro(reef_fetch_lua_tests out version)
	reef_fetch(${out} OPTIONAL NAME lua-tests VERSION ${version} FULL lua-${version}-tests SHA256 "${lua_tests_sum_${version}}"
		URL https://www.lua.org/tests/lua-${version}-tests.tar.gz)
endmacro()

# As a script, for scripts/test-lua: cmake -DVERSION=5.4.7 -DDIR=build/lua -P cmake/lua-versions.cmake fetches both and writes
# where they are to DIR/VERSION.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
	set(PROJECT_BINARY_DIR "${DIR}")
	get_filename_component(PROJECT_SOURCE_DIR "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
	include("${CMAKE_CURRENT_LIST_DIR}/fetch.cmake")
	reef_fetch_lua(source ${VERSION})
	reef_fetch_lua_tests(tests ${VERSION})
	if(EXISTS "${source}/src/lua.h")
		set(source "${source}/src")
	endif()
	file(WRITE "${DIR}/${VERSION}" "${source}\n${tests}\n")
endif()

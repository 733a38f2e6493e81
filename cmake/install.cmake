# cmake --install: bin/reef, share/reef (Lua library, examples, what other tools import, docs), the headers for C modules, C services and drivers, and what
# lets pkg-config and CMake find them. Nothing that is installed knows where it was built.
install(TARGETS reef RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(dir lualib examples contrib)
	if(EXISTS ${PROJECT_SOURCE_DIR}/${dir})
		install(DIRECTORY ${dir} DESTINATION ${CMAKE_INSTALL_DATADIR}/reef USE_SOURCE_PERMISSIONS
			PATTERN contrib/debian EXCLUDE)
	endif()
endforeach()

# A C module is built against the very Lua that is inside; the functions themselves come from the executable.
set(public_headers ${lua_dir}/lua.h ${lua_dir}/luaconf.h ${lua_dir}/lauxlib.h ${lua_dir}/lualib.h)
file(GLOB_RECURSE skynet_headers ${PROJECT_SOURCE_DIR}/core/skynet*.h ${PROJECT_SOURCE_DIR}/socket/skynet*.h)
install(FILES ${public_headers} ${skynet_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/reef)

# What drivers outside the tree stand on, under the paths that they have inside; with all that these include.
file(GLOB driver_headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS
	core/alloc.h core/array.h core/await.h core/call.h core/clock.h core/env.h core/list.h core/log.h core/log_level.h core/ptrmap.h core/send.h core/service.h core/text.h core/timer.h
	core/skynet.h core/host/host.h core/host/task_await.h core/host/task_stack.h core/host/name_check.h core/host/pack.h core/host/unpack.h
	socket/socket.h socket/udp.h socket/tls/tls.h socket/fd/fd.h socket/fd/fd_wait.h drivers/channel/*.h)
list(FILTER driver_headers EXCLUDE REGEX "_private\\.h$")
set(installed)
while(driver_headers)
	list(POP_FRONT driver_headers header)
	if(header IN_LIST installed)
		continue()
	endif()
	list(APPEND installed ${header})
	get_filename_component(folder ${header} DIRECTORY)
	install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/reef/${folder})
	file(STRINGS ${header} includes REGEX "^#include \"")
	foreach(line ${includes})
		string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" included "${line}")
		if(EXISTS ${PROJECT_SOURCE_DIR}/${folder}/${included})
			set(included ${folder}/${included})
		endif()
		if(EXISTS ${PROJECT_SOURCE_DIR}/${included})
			list(APPEND driver_headers ${included})
		endif()
	endforeach()
endwhile()

# What gets a MongoDB server for tests (reef.test.mongo).
install(PROGRAMS scripts/mongo-server DESTINATION ${CMAKE_INSTALL_DATADIR}/reef/scripts)
install(FILES scripts/common.sh DESTINATION ${CMAKE_INSTALL_DATADIR}/reef/scripts)

if(TARGET manual)
	install(FILES ${manual_dir}/reef.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
	install(FILES ${manual_dir}/reef.bash RENAME reef DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
	install(FILES ${manual_dir}/_reef DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
	install(FILES ${manual_dir}/reef.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN site EXCLUDE)

file(CONFIGURE OUTPUT reef.pc @ONLY CONTENT [[
prefix=${pcfiledir}/../..
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@
bindir=${prefix}/@CMAKE_INSTALL_BINDIR@
lualib=${prefix}/@CMAKE_INSTALL_DATADIR@/reef/lualib

Name: reef
Description: headers for C modules, C services and drivers of Reef, an actor runtime for Lua
Version: @PROJECT_VERSION@
Cflags: -I${includedir}/reef
]])
install(FILES ${PROJECT_BINARY_DIR}/reef.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/reef)
configure_package_config_file(cmake/reef-config.cmake.in reef-config.cmake INSTALL_DESTINATION ${package_dir}
	PATH_VARS CMAKE_INSTALL_BINDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(reef-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/reef-config.cmake ${PROJECT_BINARY_DIR}/reef-config-version.cmake
	DESTINATION ${package_dir})

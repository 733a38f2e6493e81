# C unit tests: every tests/unit/NAME.c is a cmocka program build/<preset>/tests/unit/NAME that links all rooms.
# tests/tools/*.c are programs that tests use (the fault proxy, for one), one file each.
pkg_check_modules(CMOCKA QUIET IMPORTED_TARGET cmocka)
if(NOT CMOCKA_FOUND)
	message(STATUS "cmocka not found: no C unit tests")
endif()
file(GLOB unit_sources CONFIGURE_DEPENDS tests/unit/*.c)
if(CMOCKA_FOUND)
	foreach(source ${unit_sources})
		get_filename_component(name ${source} NAME_WE)
		add_executable(unit_${name} ${source})
		set_target_properties(unit_${name} PROPERTIES OUTPUT_NAME ${name}
			RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/unit)
		target_compile_definitions(unit_${name} PRIVATE REEF_UNIT_DIRECTORY="${PROJECT_SOURCE_DIR}/tests/unit")
		target_link_libraries(unit_${name} PRIVATE reef_everything PkgConfig::CMOCKA)
		target_link_options(unit_${name} PRIVATE ${reef_test_link_options})
	endforeach()
endif()

file(GLOB tool_sources CONFIGURE_DEPENDS tests/tools/*.c)
foreach(source ${tool_sources})
	get_filename_component(name ${source} NAME_WE)
	add_executable(tool_${name} ${source})
	set_target_properties(tool_${name} PROPERTIES OUTPUT_NAME ${name}
		RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/tools)
	target_link_libraries(tool_${name} PRIVATE reef_flags Threads::Threads)
	target_link_options(tool_${name} PRIVATE ${reef_test_link_options})
endforeach()

# The part of the Lua test support that Lua cannot do, loaded by tests as a C module: require "test.process.core".
add_library(test_process_core MODULE tests/support/process.c)
set_target_properties(test_process_core PROPERTIES PREFIX "" OUTPUT_NAME core
	LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/support/test/process)
target_link_libraries(test_process_core PRIVATE reef_flags)
target_link_options(test_process_core PRIVATE ${reef_test_link_options})
set_target_properties(test_process_core PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_include_directories(test_process_core SYSTEM PRIVATE
	$<TARGET_PROPERTY:reef_lua,INTERFACE_SYSTEM_INCLUDE_DIRECTORIES>)

# C services that tests launch and Lua modules that they require, one file each: build/<preset>/tests/modules/NAME.so.
file(GLOB module_sources CONFIGURE_DEPENDS tests/modules/*.c)
foreach(source ${module_sources})
	get_filename_component(name ${source} NAME_WE)
	add_library(module_${name} MODULE ${source})
	set_target_properties(module_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
		LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/modules)
	target_link_libraries(module_${name} PRIVATE reef_flags)
	target_include_directories(module_${name} PRIVATE ${PROJECT_SOURCE_DIR})
	target_include_directories(module_${name} SYSTEM PRIVATE
		$<TARGET_PROPERTY:reef_lua,INTERFACE_SYSTEM_INCLUDE_DIRECTORIES>)
endforeach()

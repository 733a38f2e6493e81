# Fuzzers: every tests/fuzz/NAME.c (LLVMFuzzerTestOneInput) is a libFuzzer program build/fuzz/tests/fuzz/NAME.
if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
	message(FATAL_ERROR "REEF_FUZZ needs clang")
endif()
target_compile_options(reef_base INTERFACE -fsanitize=fuzzer-no-link)
file(GLOB fuzz_sources CONFIGURE_DEPENDS tests/fuzz/*.c)
foreach(source ${fuzz_sources})
	get_filename_component(name ${source} NAME_WE)
	add_executable(fuzz_${name} ${source})
	set_target_properties(fuzz_${name} PROPERTIES OUTPUT_NAME ${name}
		RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/fuzz)
	target_link_libraries(fuzz_${name} PRIVATE reef_everything)
	target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endforeach()

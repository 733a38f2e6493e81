# How C is compiled, and the C++ files of the datasheet room, which wrap C++ libraries. reef_flags is for code of ours (it has all the warnings); reef_base is for everything.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")
# A sanitizer's report needs lines, and no variables.
if(REEF_SANITIZE)
	set(CMAKE_C_FLAGS_DEBUG "-O1 -g1")
	set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
endif()

if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()

add_library(reef_base INTERFACE)
target_compile_options(reef_base INTERFACE -fno-omit-frame-pointer
	# What may be installed does not tell where it was built.
	"$<$<CONFIG:Release>:-fno-plt;-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=>")
if(REEF_SANITIZE)
	# `function` is clang's alone and trips over Lua's and libbson's callbacks taking void pointers.
	set(flags -fsanitize=${REEF_SANITIZE} -fno-sanitize-recover=all)
	if(CMAKE_C_COMPILER_ID MATCHES Clang AND REEF_SANITIZE MATCHES undefined)
		list(APPEND flags -fno-sanitize=function)
	endif()
	target_compile_options(reef_base INTERFACE ${flags})
	target_link_options(reef_base INTERFACE ${flags})
	target_compile_definitions(reef_base INTERFACE REEF_SANITIZE=1)
endif()

add_library(reef_flags INTERFACE)
target_link_libraries(reef_flags INTERFACE reef_base)
target_compile_options(reef_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion)
target_compile_definitions(reef_flags INTERFACE
	_GNU_SOURCE
	REEF_VERSION="${PROJECT_VERSION}"
	"$<$<NOT:$<CONFIG:Debug>>:NDEBUG>")

# Optimising across files makes a call between services a fifth cheaper. Only the engine and Lua take part, and only `reef`
# itself is linked that way: their objects carry plain code as well, so that the many test programs link fast.
add_library(reef_hot INTERFACE)
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
	option(REEF_LTO "Link-time optimisation of release builds" ON)
endif()
if(REEF_LTO AND CMAKE_BUILD_TYPE STREQUAL Release)
	target_compile_options(reef_hot INTERFACE -flto -ffat-lto-objects)
	set(reef_link_options -flto=auto -O2 "-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=")
	set(reef_test_link_options -fno-lto)
endif()

# Libraries from the distribution, and hiredis' reader from wherever a new enough one is found.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB)

# libbson 2 is `bson2`, before it was `libbson-1.0`.
pkg_search_module(BSON REQUIRED IMPORTED_TARGET bson2 libbson-1.0>=1.23)

# SASLprep, for passwords beyond ASCII.
pkg_check_modules(IDN REQUIRED IMPORTED_TARGET libidn)

# Names to addresses, without threads.
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares>=1.18)

# What reads configuration data. libcsv brings no description of itself; of toml++ only headers are used.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.14)
find_library(csv_library csv REQUIRED)
find_path(csv_header csv.h REQUIRED)
find_path(toml_header toml++/toml.h REQUIRED)
if(REEF_JEMALLOC)
	pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc>=5)
endif()

# reef_hiredis: <hiredis/read.h>, the reply reader alone.
pkg_check_modules(HIREDIS QUIET IMPORTED_TARGET hiredis>=1.2)
if(HIREDIS_FOUND AND NOT REEF_HIREDIS_SOURCE AND NOT REEF_SANITIZE)
	add_library(reef_hiredis INTERFACE)
	target_link_libraries(reef_hiredis INTERFACE PkgConfig::HIREDIS)
else()
	reef_fetch(hiredis_dir NAME hiredis VERSION 1.2.0
		SHA256 82ad632d31ee05da13b537c124f819eb88e18851d9cb0c30ae0552084811588c
		URL https://github.com/redis/hiredis/archive/refs/tags/v1.2.0.tar.gz DEBIAN hiredis)
	file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/deps/include")
	file(CREATE_LINK "${hiredis_dir}" "${PROJECT_BINARY_DIR}/deps/include/hiredis" SYMBOLIC)
	add_library(reef_hiredis STATIC ${hiredis_dir}/read.c ${hiredis_dir}/sds.c ${hiredis_dir}/alloc.c)
	target_include_directories(reef_hiredis SYSTEM PUBLIC "${PROJECT_BINARY_DIR}/deps/include")
	target_link_libraries(reef_hiredis PRIVATE reef_base)
endif()

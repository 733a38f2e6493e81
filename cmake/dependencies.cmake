# Libraries from the distribution, and hiredis' reader and llhttp from wherever a new enough one is found.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)

# Compressed messages of MongoDB; each may be missing.
find_package(ZLIB)
pkg_check_modules(ZSTD QUIET IMPORTED_TARGET libzstd)
find_library(snappy_library snappy)
find_path(snappy_header snappy-c.h)

# libbson 2 is `bson2`, before it was `libbson-1.0`.
pkg_search_module(BSON REQUIRED IMPORTED_TARGET bson2 libbson-1.0>=1.23)

# SASLprep, for passwords beyond ASCII.
pkg_check_modules(IDN REQUIRED IMPORTED_TARGET libidn)

# Names to addresses, without threads.
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares>=1.18)

# What reads configuration data. libcsv brings no description of itself; of toml++ only headers are used.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.14)
set(REEF_HAS_SIMDJSON FALSE)
if(REEF_SIMDJSON)
	pkg_check_modules(SIMDJSON QUIET IMPORTED_TARGET simdjson>=3.0)
	set(REEF_HAS_SIMDJSON ${SIMDJSON_FOUND})
	if(NOT SIMDJSON_FOUND)
		message(STATUS "simdjson not found: JSON is read by jansson alone, which takes longer")
	endif()
endif()
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

# reef_llhttp: the parser of HTTP/1.1. Distributions that do not have it have Python's package manager, and the generated
# sources come with llhttp's binding to Python. Without it there is no HTTP.
pkg_check_modules(LLHTTP QUIET IMPORTED_TARGET libllhttp>=9.2)
if(LLHTTP_FOUND AND NOT REEF_LLHTTP_SOURCE AND NOT REEF_SANITIZE)
	add_library(reef_llhttp INTERFACE)
	target_link_libraries(reef_llhttp INTERFACE PkgConfig::LLHTTP)
	set(REEF_HAS_HTTP TRUE)
else()
	reef_fetch(llhttp_dir NAME llhttp VERSION 9.3.0.0 OPTIONAL
		SHA256 0d989363e7fb6f270b9d49956e7a3945c26778f8c70a166815264309ac6a8295 PYPI llhttp)
	if(llhttp_dir)
		if(EXISTS "${llhttp_dir}/lib/llhttp.c")
			set(llhttp_dir "${llhttp_dir}/lib")
		endif()
		file(GLOB llhttp_sources "${llhttp_dir}/*.c" "${llhttp_dir}/src/*.c")
		list(FILTER llhttp_sources INCLUDE REGEX "/(api|http|llhttp)\\.c$")
		add_library(reef_llhttp STATIC ${llhttp_sources})
		target_include_directories(reef_llhttp SYSTEM PUBLIC "${llhttp_dir}" "${llhttp_dir}/include")
		target_link_libraries(reef_llhttp PRIVATE reef_base)
		set(REEF_HAS_HTTP TRUE)
	else()
		message(WARNING "llhttp is missing: built without HTTP (http.*, reef.http.*, and the page of metrics)")
	endif()
endif()

# Frames of WebSocket, and their compression. wslay brings no description of itself. Without them there is no
# http.websocket.
find_library(wslay_library wslay)
find_path(wslay_header wslay/wslay.h)
if(wslay_library AND wslay_header AND ZLIB_FOUND)
	set(REEF_HAS_WEBSOCKET TRUE)
else()
	message(WARNING "wslay or zlib is missing: built without http.websocket")
endif()

# Servers of SQL. Without these there is no skynet.db.mysql, or no reef.db.postgres.
pkg_check_modules(MARIADB QUIET IMPORTED_TARGET libmariadb>=3.3)
if(NOT MARIADB_FOUND)
	message(WARNING "libmariadb is missing: built without MySQL")
endif()
pkg_check_modules(POSTGRES QUIET IMPORTED_TARGET libpq>=14)
if(NOT POSTGRES_FOUND)
	message(WARNING "libpq is missing: built without PostgreSQL")
endif()

# Lines that are edited, at the prompts of commands. Without it they are plain lines.
pkg_check_modules(LIBEDIT QUIET IMPORTED_TARGET libedit)

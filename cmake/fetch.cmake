# Pristine upstream sources, fetched when CMake configures and never kept in this tree.
#
#   reef_fetch(<out> NAME lua VERSION 5.4.7 SHA256 <sum> URL <url> DEBIAN <source package>)
#
# puts the path of the unpacked tree into <out>. The archive is NAME-VERSION.tar.gz with one directory of that name inside,
# or FULL.tar.gz. Tried in this order:
#   1. the directory in REEF_<NAME>_SOURCE (a -D option or an environment variable);
#   2. the cache, where tarballs that were fetched before lie;
#   3. the upstream download;
#   4. on Debian and Ubuntu the distribution's source package, whose upstream tarball is the same file. This goes through
#      an apt configuration of its own under the build directory and changes nothing on the system.
# Whatever way a tarball came, its SHA-256 is checked. Any number of builds may share the cache at the same time.

if(DEFINED ENV{XDG_CACHE_HOME})
	set(cache_default "$ENV{XDG_CACHE_HOME}/reef")
elseif(DEFINED ENV{HOME})
	set(cache_default "$ENV{HOME}/.cache/reef")
else()
	set(cache_default "${PROJECT_BINARY_DIR}/cache")
endif()
set(REEF_CACHE "${cache_default}" CACHE PATH "Where fetched source archives are kept")
# A suite newer than the system's may have the version that is wanted.
set(REEF_DEBIAN_SUITES trixie CACHE STRING "Further Debian suites to look for source packages in")

function(reef_fetch out)
	cmake_parse_arguments(ARG "" "NAME;VERSION;FULL;SHA256;URL;DEBIAN" "" ${ARGN})
	string(TOUPPER ${ARG_NAME} upper)
	string(REPLACE "-" "_" upper ${upper})
	set(option REEF_${upper}_SOURCE)
	set(${option} "$ENV{${option}}" CACHE PATH "Directory of unpacked ${ARG_NAME} sources; empty: fetch them")
	if(${option})
		if(NOT IS_DIRECTORY "${${option}}")
			message(FATAL_ERROR "${option}: there is no directory ${${option}}")
		endif()
		message(STATUS "${ARG_NAME}: sources in ${${option}}")
		set(${out} "${${option}}" PARENT_SCOPE)
		return()
	endif()

	set(full ${ARG_NAME}-${ARG_VERSION})
	if(ARG_FULL)
		set(full ${ARG_FULL})
	endif()
	set(tarball "${REEF_CACHE}/${full}.tar.gz")
	file(MAKE_DIRECTORY "${REEF_CACHE}")
	file(LOCK "${REEF_CACHE}/${full}.lock" GUARD FUNCTION TIMEOUT 900)
	_reef_check(good "${tarball}" ${ARG_SHA256})
	if(good)
		message(STATUS "${ARG_NAME}: ${ARG_VERSION} from ${REEF_CACHE}")
	else()
		set(part "${tarball}.part")
		foreach(way upstream debian)
			file(REMOVE "${part}")
			cmake_language(CALL _reef_fetch_${way} "${part}" ${full} "${ARG_URL}" "${ARG_DEBIAN}" ${ARG_VERSION})
			_reef_check(good "${part}" ${ARG_SHA256})
			if(good)
				file(RENAME "${part}" "${tarball}")
				break()
			elseif(EXISTS "${part}")
				message(WARNING "${full} (${way}): the archive's SHA-256 is not ${ARG_SHA256}; not used")
			endif()
		endforeach()
	endif()
	if(NOT good)
		file(REMOVE "${part}")
		message(FATAL_ERROR "${full}: cannot be had from ${ARG_URL}, nor as a source package of Debian.\n"
			"Unpack ${full}.tar.gz somewhere and pass -D${option}=DIR, or put it into ${REEF_CACHE}.")
	endif()

	set(tree "${PROJECT_BINARY_DIR}/deps/${full}")
	if(NOT EXISTS "${tree}/.unpacked")
		file(REMOVE_RECURSE "${tree}")
		file(ARCHIVE_EXTRACT INPUT "${tarball}" DESTINATION "${PROJECT_BINARY_DIR}/deps")
		file(WRITE "${tree}/.unpacked" ${ARG_SHA256})
	endif()
	set(${out} "${tree}" PARENT_SCOPE)
endfunction()

function(_reef_check out file sum)
	set(${out} FALSE PARENT_SCOPE)
	if(EXISTS "${file}")
		file(SHA256 "${file}" is)
		if(is STREQUAL sum)
			set(${out} TRUE PARENT_SCOPE)
		endif()
	endif()
endfunction()

function(_reef_fetch_upstream part full url package version)
	message(STATUS "${full}: downloading ${url}")
	file(DOWNLOAD "${url}" "${part}" INACTIVITY_TIMEOUT 10 TIMEOUT 60 STATUS status)
	list(GET status 0 code)
	if(code)
		list(GET status 1 text)
		message(STATUS "${full}: no download (${text})")
		file(REMOVE "${part}")
	endif()
endfunction()

function(_reef_fetch_debian part full url package version)
	find_program(apt_get NAMES apt-get)
	if(NOT package OR NOT apt_get OR NOT EXISTS /etc/os-release)
		return()
	endif()
	message(STATUS "${full}: looking for the source package ${package}")
	set(dir "${PROJECT_BINARY_DIR}/deps/apt-${package}")
	execute_process(
		COMMAND ${PROJECT_SOURCE_DIR}/cmake/debian-source.sh "${dir}" ${package} ${version} "${part}"
			${REEF_DEBIAN_SUITES}
		RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE text)
	if(code)
		message(STATUS "${full}: no source package\n${text}")
		file(REMOVE "${part}")
	endif()
	file(REMOVE_RECURSE "${dir}")
endfunction()

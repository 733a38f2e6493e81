# cmake --install: bin/reef, share/reef (lualib and examples), the headers for C services and modules, and what lets
# pkg-config and CMake find them. Nothing installed knows where it was built.
install(TARGETS reef RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(dir lualib examples)
	if(EXISTS ${PROJECT_SOURCE_DIR}/${dir})
		install(DIRECTORY ${dir} DESTINATION ${CMAKE_INSTALL_DATADIR}/reef)
	endif()
endforeach()

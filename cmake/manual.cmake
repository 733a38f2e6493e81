# The page of the manual and what completes words in shells, made by the executable from its own help.
set(manual_dir ${PROJECT_BINARY_DIR}/manual)
set(manual_files ${manual_dir}/reef.1 ${manual_dir}/reef.bash ${manual_dir}/_reef ${manual_dir}/reef.fish)
file(MAKE_DIRECTORY ${manual_dir})
file(GLOB manual_sources CONFIGURE_DEPENDS lualib/command/*.lua)
add_custom_command(OUTPUT ${manual_files} VERBATIM
	COMMAND reef run ${PROJECT_SOURCE_DIR}/cmake/manual.lua $<TARGET_FILE:reef> ${PROJECT_VERSION} ${manual_dir}
	DEPENDS reef cmake/manual.lua ${manual_sources})
add_custom_target(manual ALL DEPENDS ${manual_files})

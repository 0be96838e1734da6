# What `cmake --install` installs, and the Debian packages that cpack makes of it: joblight (the server) and
# libjs-joblight (the client and its element, for pages of other servers).
set(package ${CMAKE_SOURCE_DIR}/cmake/package)
set(JOBLIGHT_UNIT_DIR lib/systemd/system CACHE STRING "where the unit goes, below the prefix")

install(TARGETS joblight joblight-send RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT joblight)
install(FILES ${package}/joblight.service DESTINATION ${JOBLIGHT_UNIT_DIR} COMPONENT joblight)
install(FILES ${package}/joblight.sysusers DESTINATION lib/sysusers.d RENAME joblight.conf COMPONENT joblight)
install(FILES ${package}/joblight.conf DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/joblight COMPONENT joblight)

# The shells' completions are what the program says.
foreach(pair IN ITEMS "bash share/bash-completion/completions joblight" "zsh share/zsh/vendor-completions _joblight"
    "fish share/fish/vendor_completions.d joblight.fish")
  separate_arguments(pair)
  list(GET pair 0 shell)
  list(GET pair 1 folder)
  list(GET pair 2 name)
  set(file ${CMAKE_BINARY_DIR}/package/${name})
  if(shell STREQUAL bash)
    set(file ${CMAKE_BINARY_DIR}/package/completion/${name})
  endif()
  get_filename_component(parent ${file} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  add_custom_command(OUTPUT ${file} COMMAND joblight completion ${shell} > ${file} DEPENDS joblight VERBATIM)
  list(APPEND completions ${file})
  install(FILES ${file} DESTINATION ${folder} COMPONENT joblight)
endforeach()
add_custom_target(completions ALL DEPENDS ${completions})

# The client as it is served: the bundle, if esbuild is installed, otherwise its modules.
set(client share/javascript/joblight)
foreach(name IN ITEMS joblight.js shared-socket.js shared-tabs.js task-event-stream.js)
  install(FILES ${CMAKE_BINARY_DIR}/www/${name} DESTINATION ${client} COMPONENT libjs-joblight)
endforeach()
if(NOT EXISTS ${JOBLIGHT_ESBUILD})
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/www/client DESTINATION ${client} COMPONENT libjs-joblight)
endif()
foreach(name IN ITEMS joblight.d.ts shared-socket.d.ts task-event-stream.d.ts custom-elements.json)
  install(FILES ${CMAKE_SOURCE_DIR}/www/${name} DESTINATION ${client} COMPONENT libjs-joblight)
endforeach()

# joblight_compressed(SOURCE TARGET): gzip without a time stamp, so that two builds are the same.
function(joblight_compressed source target)
  add_custom_command(OUTPUT ${target} DEPENDS ${source} VERBATIM
    COMMAND sh -c "exec \"$1\" -9nc \"$2\" > \"$3\"" sh ${GZIP_PROGRAM} ${source} ${target})
endfunction()

string(TIMESTAMP JOBLIGHT_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC) # of SOURCE_DATE_EPOCH, if it is set
set(made ${CMAKE_BINARY_DIR}/package)
configure_file(${package}/changelog ${made}/changelog.Debian @ONLY)
joblight_compressed(${made}/changelog.Debian ${made}/changelog.Debian.gz)
joblight_compressed(${CMAKE_SOURCE_DIR}/CHANGELOG.md ${made}/changelog.gz)
add_custom_target(package_documents ALL DEPENDS ${made}/changelog.Debian.gz ${made}/changelog.gz)
foreach(component IN ITEMS joblight libjs-joblight)
  install(FILES ${package}/copyright ${made}/changelog.Debian.gz ${made}/changelog.gz
    DESTINATION share/doc/${component} COMPONENT ${component})
endforeach()
foreach(component IN ITEMS joblight libjs-joblight)
  configure_file(${package}/lintian-overrides ${made}/overrides/${component} @ONLY)
  install(FILES ${made}/overrides/${component} DESTINATION share/lintian/overrides COMPONENT ${component})
endforeach()
install(FILES README.md SECURITY.md DESTINATION share/doc/joblight COMPONENT joblight)
install(DIRECTORY docs/ DESTINATION share/doc/joblight/docs COMPONENT joblight FILES_MATCHING PATTERN "*.md" PATTERN man EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME joblight)
set(CPACK_PACKAGE_VENDOR "the joblight authors")
set(CPACK_PACKAGE_CONTACT "The joblight authors <joblight@users.noreply.github.com>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL joblight libjs-joblight)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_JOBLIGHT_PACKAGE_NAME joblight)
set(CPACK_DEBIAN_JOBLIGHT_PACKAGE_SECTION net)
set(CPACK_DEBIAN_JOBLIGHT_PACKAGE_SHLIBDEPS ON)
# the event loop of libwebsockets is loaded when the server starts
set(CPACK_DEBIAN_JOBLIGHT_PACKAGE_DEPENDS "libwebsockets-evlib-uv, systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_JOBLIGHT_PACKAGE_CONTROL_EXTRA
  "${package}/postinst;${package}/prerm;${package}/postrm;${package}/conffiles")
set(CPACK_COMPONENT_JOBLIGHT_DESCRIPTION
  "server that shows the progress of jobs live
Workers report the tasks of jobs over HTTP or WebSocket; joblight stores each
update and sends it to every browser that watches, by server-sent events,
WebSocket or polling.  Nothing that was acknowledged is lost.")
set(CPACK_DEBIAN_LIBJS-JOBLIGHT_PACKAGE_NAME libjs-joblight)
set(CPACK_DEBIAN_LIBJS-JOBLIGHT_PACKAGE_SECTION javascript)
set(CPACK_DEBIAN_LIBJS-JOBLIGHT_PACKAGE_ARCHITECTURE all)
set(CPACK_COMPONENT_LIBJS-JOBLIGHT_DESCRIPTION
  "client and custom element that follow the jobs of a joblight server
A page shows a job live with the element task-event-stream, or follows it with
the class TaskEventStream.  The server serves both itself; this package is for
pages of other servers.")
include(CPack)

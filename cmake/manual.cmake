# The manual pages, when scdoc is installed.  docs/man/settings.scd is written by `joblight config docs man`, and a test
# compares the two.
find_program(SCDOC scdoc)

# joblight_manual(NAME SECTION): docs/man/NAME.SECTION.scd, in which a line @SETTINGS@ stands for the settings.
function(joblight_manual name section)
  set(source ${CMAKE_SOURCE_DIR}/docs/man/${name}.${section}.scd)
  set(whole ${CMAKE_BINARY_DIR}/man/${name}.${section}.scd)
  set(page ${CMAKE_BINARY_DIR}/man/${name}.${section})
  file(READ ${CMAKE_SOURCE_DIR}/docs/man/settings.scd SETTINGS)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/settings.scd)
  configure_file(${source} ${whole} @ONLY)
  # The first line asks for the preprocessor of tables, which scdoc makes.
  add_custom_command(OUTPUT ${page} COMMAND sh -c [[printf "'\\\" t\\n"; exec "$0"]] ${SCDOC} < ${whole} > ${page} DEPENDS ${whole} VERBATIM)
  add_custom_command(OUTPUT ${page}.gz COMMAND sh -c "exec gzip -9nc \"$1\" > \"$2\"" sh ${page} ${page}.gz
    DEPENDS ${page} VERBATIM)
  add_custom_target(manual_${name}_${section} ALL DEPENDS ${page}.gz)
  install(FILES ${page}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT joblight)
endfunction()

if(SCDOC)
  joblight_manual(joblight 1)
  joblight_manual(joblight-send 1)
  joblight_manual(joblight.conf 5)
endif()

# Writes what is generated from the table of settings.
add_custom_target(documents
  COMMAND joblight config docs > ${CMAKE_SOURCE_DIR}/docs/settings.md
  COMMAND joblight config docs man > ${CMAKE_SOURCE_DIR}/docs/man/settings.scd
  DEPENDS joblight VERBATIM)

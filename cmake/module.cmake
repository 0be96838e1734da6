# Modules: shared objects that the program loads when it is configured to (include/joblight/base/module.h).

# A digest of everything that a module and the program must agree on: it changes with every header.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/*.h ${CMAKE_SOURCE_DIR}/include/*.def
  ${CMAKE_SOURCE_DIR}/src/*.h ${CMAKE_SOURCE_DIR}/src/*.def)
set(JOBLIGHT_STAMP_DIR ${CMAKE_BINARY_DIR}/stamp)
string(REPLACE ";" "\n" listed "${headers}")
file(GENERATE OUTPUT ${JOBLIGHT_STAMP_DIR}/headers.txt CONTENT "${listed}\n")
add_custom_command(OUTPUT ${JOBLIGHT_STAMP_DIR}/stamp.done BYPRODUCTS ${JOBLIGHT_STAMP_DIR}/module_stamp.h
  COMMAND ${CMAKE_COMMAND} -DHEADERS=${JOBLIGHT_STAMP_DIR}/headers.txt -DOUTPUT=${JOBLIGHT_STAMP_DIR}/module_stamp.h
    "-DOPTIONS=${PROJECT_VERSION} ${JOBLIGHT_SANITIZE}" -P ${CMAKE_SOURCE_DIR}/cmake/module_stamp.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${JOBLIGHT_STAMP_DIR}/stamp.done
  DEPENDS ${headers} ${JOBLIGHT_STAMP_DIR}/headers.txt ${CMAKE_SOURCE_DIR}/cmake/module_stamp.cmake VERBATIM)
add_custom_target(joblight_stamp DEPENDS ${JOBLIGHT_STAMP_DIR}/stamp.done)

# joblight_module(NAME LAYERS LIBRARY...): joblight-NAME.so, from the files NAME*.c of these folders of src.
function(joblight_module name layers)
  list(TRANSFORM layers REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/src/\\1/${name}*.c")
  file(GLOB sources CONFIGURE_DEPENDS ${layers})
  joblight_module_of(${name} "${sources}" ${ARGN})
  set_target_properties(joblight_module_${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  install(TARGETS joblight_module_${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/joblight COMPONENT joblight)
  set_property(GLOBAL APPEND PROPERTY JOBLIGHT_MODULES ${name})
endfunction()

# The same from these files; neither installed nor looked for by its name.
function(joblight_module_of name sources)
  add_library(joblight_${name} OBJECT ${sources})
  target_include_directories(joblight_${name} PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src
    ${UTHASH_INCLUDE_DIR})
  target_link_libraries(joblight_${name} PRIVATE ${ARGN})
  target_compile_options(joblight_${name} PRIVATE -fvisibility=hidden -include ${JOBLIGHT_STAMP_DIR}/module_stamp.h)
  add_dependencies(joblight_${name} joblight_stamp)
  add_library(joblight_module_${name} MODULE $<TARGET_OBJECTS:joblight_${name}>)
  set_target_properties(joblight_module_${name} PROPERTIES PREFIX "" OUTPUT_NAME joblight-${name} LINKER_LANGUAGE C)
  target_link_libraries(joblight_module_${name} PRIVATE ${ARGN})
  # What it needs of the program: no other symbol of the program can take the place of one of a library.
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/stamp/${name}.list
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} "-DOBJECTS=$<TARGET_OBJECTS:joblight_${name}>"
      -DOUTPUT=${CMAKE_BINARY_DIR}/stamp/${name}.list -P ${CMAKE_SOURCE_DIR}/cmake/module_symbols.cmake
    DEPENDS joblight_${name} $<TARGET_OBJECTS:joblight_${name}> ${CMAKE_SOURCE_DIR}/cmake/module_symbols.cmake VERBATIM)
  add_custom_target(joblight_symbols_${name} DEPENDS ${CMAKE_BINARY_DIR}/stamp/${name}.list)
endfunction()

# joblight_opens_modules(TARGET NAME...): it can load these modules, which use all of base and core.
function(joblight_opens_modules target)
  target_link_options(${target} PRIVATE -Wl,--whole-archive $<TARGET_FILE:joblight_base> $<TARGET_FILE:joblight_core>
    -Wl,--no-whole-archive)
  foreach(name IN LISTS ARGN)
    set(list ${CMAKE_BINARY_DIR}/stamp/${name}.list)
    target_link_options(${target} PRIVATE -Wl,--dynamic-list=${list})
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${list})
    add_dependencies(${target} joblight_symbols_${name} joblight_module_${name})
  endforeach()
endfunction()

# joblight_library(OPTION TARGET NAME): whether to build with a library that may be missing; the option says ON, OFF or
# AUTO.  Sets JOBLIGHT_HAS_<OPTION> to 1 or 0.
function(joblight_library option target name)
  set(JOBLIGHT_${option} AUTO CACHE STRING "ON, OFF, or AUTO: where ${name} is installed")
  set_property(CACHE JOBLIGHT_${option} PROPERTY STRINGS AUTO ON OFF)
  set(has 0)
  if(NOT JOBLIGHT_${option} STREQUAL OFF)
    set(required)
    if(NOT JOBLIGHT_${option} STREQUAL AUTO)
      set(required REQUIRED)
    endif()
    pkg_check_modules(${target} ${required} IMPORTED_TARGET GLOBAL ${name})
    if(${target}_FOUND)
      set(has 1)
    endif()
  endif()
  set(JOBLIGHT_HAS_${option} ${has} PARENT_SCOPE)
endfunction()

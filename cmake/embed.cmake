# Puts the pages into a target: a table (src/api/pages_builtin.h) of names and bytes. A text is there twice: as it is,
# and compressed. gzip, because browsers ask for brotli over https only.
find_program(GZIP_PROGRAM gzip REQUIRED)

# These folders of www/ are served, with the files that are directly in them, and no others ("." is www/ itself). In a
# program with the bundle, client/ is not: the bundle holds its modules.
set(JOBLIGHT_SERVED . client page)

# script/bundle makes these, where esbuild is installed (see need_bundler in script/lib.sh). Elsewhere the program
# serves the modules as they are.
set(JOBLIGHT_BUNDLED joblight.js shared-tabs.js shared-socket.js task-event-stream.js)
set(JOBLIGHT_ESBUILD ${CMAKE_SOURCE_DIR}/script/esbuild/node_modules/.bin/esbuild)

# Assembles the bytes of a file under the names START and END; appends to the caller's `bodies`.
macro(joblight_embed_bytes file start end)
  string(APPEND bodies "__asm__(\".pushsection .rodata\\n.global ${start}\\n.hidden ${start}\\n"
    "${start}:\\n.incbin \\\"${file}\\\"\\n"
    ".global ${end}\\n.hidden ${end}\\n${end}:\\n.byte 0\\n.popsection\\n\");\n"
    "extern const char ${start}[], ${end}[];\n")
  list(APPEND depends ${file})
endmacro()

# Collects the files that are served in `folder`, build/www/: the tests serve it, too. Sets `names` to what it has.
function(joblight_stage_pages source folder names)
  set(patterns ${JOBLIGHT_SERVED})
  list(TRANSFORM patterns APPEND /*)
  list(TRANSFORM patterns PREPEND ${source}/)
  file(GLOB files RELATIVE ${source} LIST_DIRECTORIES false CONFIGURE_DEPENDS ${patterns})
  list(FILTER files EXCLUDE REGEX "(^|/)\\.")
  set(bundle "")
  if(EXISTS ${JOBLIGHT_ESBUILD})
    list(FILTER files EXCLUDE REGEX "^client/")
    list(REMOVE_ITEM files ${JOBLIGHT_BUNDLED})
    file(GLOB modules CONFIGURE_DEPENDS ${source}/client/*.js)
    set(bundle ${JOBLIGHT_BUNDLED} joblight.js.map)
    set(entries ${JOBLIGHT_BUNDLED})
    set(outputs ${bundle})
    list(TRANSFORM entries PREPEND ${source}/)
    list(TRANSFORM outputs PREPEND ${folder}/)
    set(script ${CMAKE_SOURCE_DIR}/script/bundle)
    add_custom_command(OUTPUT ${outputs} COMMAND ${script} ${folder} VERBATIM
      DEPENDS ${entries} ${modules} ${source}/package.json ${script} ${CMAKE_SOURCE_DIR}/script/esbuild/package-lock.json)
    message(STATUS "The client is bundled")
  else()
    message(STATUS "The client is not bundled: esbuild is not installed")
  endif()
  foreach(name IN LISTS files)
    add_custom_command(OUTPUT ${folder}/${name} DEPENDS ${source}/${name} VERBATIM
      COMMAND ${CMAKE_COMMAND} -E copy ${source}/${name} ${folder}/${name})
  endforeach()
  list(APPEND files ${bundle})
  file(GLOB_RECURSE old RELATIVE ${folder} ${folder}/*)
  list(REMOVE_ITEM old ${files})
  foreach(name IN LISTS old)
    file(REMOVE ${folder}/${name})
  endforeach()
  set(${names} ${files} PARENT_SCOPE)
endfunction()

function(joblight_embed_pages target source)
  set(folder ${CMAKE_BINARY_DIR}/www)
  joblight_stage_pages(${source} ${folder} files)
  set(bodies "")
  set(rows "")
  set(depends "")
  set(index 0)
  foreach(file IN LISTS files)
    joblight_embed_bytes(${folder}/${file} page_${index} page_end_${index})
    set(row "\"${file}\", page_${index}, page_end_${index}, 0, 0")
    if(file MATCHES "\\.(html|js|css|json|ts|svg|txt|md)$")
      set(zipped ${CMAKE_BINARY_DIR}/www-gzip/${file}.gz)
      get_filename_component(parent ${zipped} DIRECTORY)
      file(MAKE_DIRECTORY ${parent})
      add_custom_command(OUTPUT ${zipped} DEPENDS ${folder}/${file} VERBATIM
        COMMAND sh -c "exec \"$1\" -9nc \"$2\" > \"$3\"" sh ${GZIP_PROGRAM} ${folder}/${file} ${zipped})
      joblight_embed_bytes(${zipped} zip_${index} zip_end_${index})
      set(row "\"${file}\", page_${index}, page_end_${index}, zip_${index}, zip_end_${index}")
    endif()
    string(APPEND rows "\t{ ${row} },\n")
    math(EXPR index "${index} + 1")
  endforeach()
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/pages_builtin.c)
  file(CONFIGURE OUTPUT ${generated} CONTENT "#include \"pages_builtin.h\"\n\n${bodies}\nconst struct builtin_page builtin_pages[] = {\n${rows}\t{ 0, 0, 0, 0, 0 },\n};\n" @ONLY)
  set_source_files_properties(${generated} PROPERTIES OBJECT_DEPENDS "${depends}")
  target_sources(${target} PRIVATE ${generated})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src/api)
endfunction()

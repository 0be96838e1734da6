# Puts the files of a directory into a target: a table (src/api/pages_builtin.h) of names and bytes.  Text is there
# twice: as it is, and compressed.  gzip, because browsers ask for brotli over https only.
find_program(GZIP_PROGRAM gzip REQUIRED)

# Assembles the bytes of a file under the names START and END; appends to the caller's `bodies`.
macro(joblight_embed_bytes file start end)
  string(APPEND bodies "__asm__(\".pushsection .rodata\\n.global ${start}\\n.hidden ${start}\\n"
    "${start}:\\n.incbin \\\"${file}\\\"\\n"
    ".global ${end}\\n.hidden ${end}\\n${end}:\\n.byte 0\\n.popsection\\n\");\n"
    "extern const char ${start}[], ${end}[];\n")
  list(APPEND depends ${file})
endmacro()

function(joblight_embed_pages target directory)
  file(GLOB_RECURSE files RELATIVE ${directory} CONFIGURE_DEPENDS ${directory}/*)
  list(FILTER files EXCLUDE REGEX "(^|/)\\.|node_modules")
  set(bodies "")
  set(rows "")
  set(depends "")
  set(index 0)
  foreach(file IN LISTS files)
    joblight_embed_bytes(${directory}/${file} page_${index} page_end_${index})
    set(row "\"${file}\", page_${index}, page_end_${index}, 0, 0")
    if(file MATCHES "\\.(html|js|css|json|ts|svg|txt|md)$")
      set(zipped ${CMAKE_CURRENT_BINARY_DIR}/www/${file}.gz)
      get_filename_component(folder ${zipped} DIRECTORY)
      file(MAKE_DIRECTORY ${folder})
      add_custom_command(OUTPUT ${zipped} DEPENDS ${directory}/${file} VERBATIM
        COMMAND sh -c "exec \"$1\" -9nc \"$2\" > \"$3\"" sh ${GZIP_PROGRAM} ${directory}/${file} ${zipped})
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

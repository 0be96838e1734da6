# Puts the files of a directory into a target: a table (src/net/pages_builtin.h) of names and bytes.
function(joblight_embed_pages target directory)
  file(GLOB_RECURSE files RELATIVE ${directory} CONFIGURE_DEPENDS ${directory}/*)
  list(FILTER files EXCLUDE REGEX "(^|/)\\.|node_modules")
  set(bodies "")
  set(rows "")
  set(depends "")
  set(index 0)
  foreach(file IN LISTS files)
    string(APPEND bodies "__asm__(\".pushsection .rodata\\n.global page_${index}\\n.hidden page_${index}\\n"
      "page_${index}:\\n.incbin \\\"${directory}/${file}\\\"\\n"
      ".global page_end_${index}\\n.hidden page_end_${index}\\npage_end_${index}:\\n.byte 0\\n.popsection\\n\");\n"
      "extern const char page_${index}[], page_end_${index}[];\n")
    string(APPEND rows "\t{ \"${file}\", page_${index}, page_end_${index} },\n")
    list(APPEND depends ${directory}/${file})
    math(EXPR index "${index} + 1")
  endforeach()
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/pages_builtin.c)
  file(CONFIGURE OUTPUT ${generated} CONTENT "#include \"pages_builtin.h\"\n\n${bodies}\nconst struct builtin_page builtin_pages[] = {\n${rows}\t{ 0, 0, 0 },\n};\n" @ONLY)
  set_source_files_properties(${generated} PROPERTIES OBJECT_DEPENDS "${depends}")
  target_sources(${target} PRIVATE ${generated})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src/net)
endfunction()

# weft_embed(target files...): compiles files into `target` as byte arrays.
#
# For page/index.html the generated source defines
#   weft::embedded::page_index_html[] and weft::embedded::page_index_html_size
# which a .cc file of the target declares `extern`. The same file is the script that writes the
# source: cmake -DINPUT=... -DNAME=... -DOUTPUT=... -P embed.cmake

if(CMAKE_SCRIPT_MODE_FILE)
  file(READ "${INPUT}" hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  file(WRITE "${OUTPUT}"
       "#include <cstddef>\n"
       "namespace weft::embedded {\n"
       "extern const unsigned char ${NAME}[];\n"
       "extern const std::size_t ${NAME}_size;\n"
       "const unsigned char ${NAME}[] = {${bytes}0};\n"
       "const std::size_t ${NAME}_size = ${size};\n"
       "}  // namespace weft::embedded\n")
  return()
endif()

set(WEFT_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")

function(weft_embed target)
  foreach(file ${ARGN})
    string(MAKE_C_IDENTIFIER "${file}" name)
    set(output "${CMAKE_CURRENT_BINARY_DIR}/embedded_${name}.cc")
    add_custom_command(
      OUTPUT "${output}"
      COMMAND "${CMAKE_COMMAND}" "-DINPUT=${CMAKE_CURRENT_SOURCE_DIR}/${file}" "-DNAME=${name}"
              "-DOUTPUT=${output}" -P "${WEFT_EMBED_SCRIPT}"
      DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${file}" "${WEFT_EMBED_SCRIPT}"
      VERBATIM)
    target_sources(${target} PRIVATE "${output}")
  endforeach()
endfunction()

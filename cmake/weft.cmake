# Compiler settings and the two functions every folder uses.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")

find_program(WEFT_CCACHE ccache)
if(WEFT_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${WEFT_CCACHE}")
endif()

# -ffp-contract=off: a compiler must not fuse a multiply and an add on its own, or the same source
# would round differently from one build to the next. Kernels that want FMA say so by intrinsic.
add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
                    -ffp-contract=off -fno-math-errno)
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")

set(WEFT_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")
if(WEFT_SANITIZE)
  add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WEFT_SANITIZE})
  add_compile_definitions(WEFT_SANITIZED=1)
endif()

# What tests, and the programs they start, find in their environment.
set(WEFT_TEST_ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")

# Prefers archives to shared libraries, where there are any: fewer packages on the target. What an
# archive needs is named beside its pkg_check_modules.
option(WEFT_ARCHIVES "Link libraries from archives (.a) where Debian has them" OFF)
if(WEFT_ARCHIVES)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# weft_library(folder LINKS libraries...): the static library `weft_<folder>` of all .cc files
# beside the calling CMakeLists.txt and below. Arrows are what LINKS says, and nothing else.
function(weft_library folder)
  cmake_parse_arguments(ARG "" "" "LINKS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  foreach(pattern ${ARG_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "${pattern}")
  endforeach()
  if(NOT sources)
    add_library(weft_${folder} INTERFACE)
    target_include_directories(weft_${folder} INTERFACE "${CMAKE_SOURCE_DIR}")
    target_link_libraries(weft_${folder} INTERFACE ${ARG_LINKS})
    return()
  endif()
  add_library(weft_${folder} STATIC ${sources})
  target_include_directories(weft_${folder} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(weft_${folder} PUBLIC ${ARG_LINKS})
endfunction()

# weft_tests(folder LINKS libraries...): the executable `<folder>_tests` of tests/<folder>/**_test.cc,
# each case registered with ctest. GoogleTest's main is used.
function(weft_tests folder)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/${folder}/*_test.cc")
  if(NOT sources)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${folder}_tests ${sources})
  target_link_libraries(${folder}_tests PRIVATE ${ARG_LINKS} weft_test_support GTest::gmock
                                                GTest::gtest_main)
  gtest_discover_tests(${folder}_tests TEST_PREFIX "${folder}." DISCOVERY_TIMEOUT 60
                       WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}" PROPERTIES TIMEOUT ${ARG_TIMEOUT}
                       ENVIRONMENT "${WEFT_TEST_ENVIRONMENT}")
endfunction()

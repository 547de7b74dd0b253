# The toolchain of the preset `aarch64`: Debian's cross compiler, the arm64 libraries that
# `scripts/setup.sh --aarch64` puts into a folder of this checkout, and an emulator for the tests.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(CMAKE_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../build-aarch64-sysroot")
get_filename_component(CMAKE_SYSROOT "${CMAKE_SYSROOT}" ABSOLUTE)
if(NOT EXISTS "${CMAKE_SYSROOT}/packages")
  message(FATAL_ERROR "there are no arm64 libraries yet; run: scripts/setup.sh --aarch64")
endif()
set(libraries "${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu")

# Programs such as flatc run here; all else is the target's.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")
set(ENV{PKG_CONFIG_LIBDIR} "${libraries}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")
# Debian's archive of libcurl needs libraries that have none themselves.
set(CURL_LIBRARY_RELEASE "${libraries}/libcurl.so" CACHE FILEPATH "")
# Shared libraries of shared libraries.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${libraries}:${CMAKE_SYSROOT}/lib/aarch64-linux-gnu")

find_program(WEFT_QEMU NAMES qemu-aarch64-static qemu-aarch64)
# -E tells the tests that they are emulated.
set(CMAKE_CROSSCOMPILING_EMULATOR "${WEFT_QEMU};-E;WEFT_EMULATED=1;-L;${CMAKE_SYSROOT}")

// libFuzzer target: any bytes as a model file. Seeds: the header of any small GGUF.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/assert.h"
#include "tests/model/gguf_exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("gguf", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  WEFT_ASSERT(fd >= 0 && ftruncate(fd, 0) == 0);
  WEFT_ASSERT(pwrite(fd, data, size, 0) == ssize_t(size));
  weft::model::exercise_gguf(path);
  return 0;
}

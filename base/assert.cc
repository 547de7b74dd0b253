#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace weft {

void assert_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "weft: assertion failed at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace weft

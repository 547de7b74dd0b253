// WEFT_ASSERT: a programmer's mistake ends the program, in release builds too.
// What the world may cause (a file, the wire, a user, a peer) is a Result, never an assertion.
#pragma once

namespace weft {

// Prints where and what, then aborts.
[[noreturn]] void assert_failed(const char* file, int line, const char* condition);

}  // namespace weft

#define WEFT_ASSERT(condition) \
  (static_cast<bool>(condition) ? void(0) : ::weft::assert_failed(__FILE__, __LINE__, #condition))

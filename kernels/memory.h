// Arrays of a stated size, where running out of memory is an Error and not an exception.
#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace weft::kernels {

// `count` zeros. kExhausted names what the memory was for and how much it would have been.
template <typename T>
Result<std::vector<T>> make_array(size_t count, std::string_view purpose) {
  try {
    return std::vector<T>(count);
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  return Error(ErrorCode::kExhausted,
               cat("no memory for ", purpose, ": ", count, " values of ", sizeof(T),
                   " bytes; use a shorter context, fewer layers or a smaller model"));
}

}  // namespace weft::kernels

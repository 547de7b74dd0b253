#include "base/bytes.h"

#include "base/text.h"

namespace weft {

Result<ByteView> ByteReader::take(uint64_t size) {
  if (size > remaining()) {
    return Error(ErrorCode::kCorrupt, cat("needs ", size, " bytes at offset ", position_,
                                          ", only ", remaining(), " are left"));
  }
  const ByteView run = bytes_.subspan(position_, size);
  position_ += size;
  return run;
}

SharedBytes SharedBytes::adopt(Bytes bytes) {
  auto owner = std::make_shared<const Bytes>(std::move(bytes));
  const ByteView view(*owner);
  return {std::move(owner), view};
}

SharedBytes SharedBytes::adopt(std::vector<float> values) {
  auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  const ByteView view(reinterpret_cast<const uint8_t*>(owner->data()),
                      owner->size() * sizeof(float));
  return {std::move(owner), view};
}

std::span<const float> SharedBytes::floats() const {
  WEFT_ASSERT(view_.size() % sizeof(float) == 0);
  WEFT_ASSERT(reinterpret_cast<uintptr_t>(view_.data()) % alignof(float) == 0);
  return {reinterpret_cast<const float*>(view_.data()), view_.size() / sizeof(float)};
}

}  // namespace weft

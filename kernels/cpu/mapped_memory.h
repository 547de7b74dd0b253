// MappedMemory: zeroed memory straight from the system, aligned to 2 MiB where it is large and then
// backed by huge pages if the system grants them: a stream of weights crosses few page borders.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace weft::kernels {

class MappedMemory {
 public:
  MappedMemory() = default;
  // kExhausted with the size if the system refuses. 0 bytes give an empty memory.
  static Result<MappedMemory> create(uint64_t bytes);
  ~MappedMemory();
  MappedMemory(MappedMemory&& other) noexcept;
  MappedMemory& operator=(MappedMemory&& other) noexcept;

  // Makes every page present; what was written stays.
  void touch();

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  void* mapping_ = nullptr;
  uint64_t mapping_bytes_ = 0;
  uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace weft::kernels

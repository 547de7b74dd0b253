// The cpu backend's activations, and its own things behind the interface's types.
#pragma once

#include "base/assert.h"
#include "kernels/backend.h"
#include "kernels/cpu/cpu_weight.h"
#include "kernels/cpu/mapped_memory.h"

namespace weft::kernels {

class CpuBuffer final : public Buffer {
 public:
  CpuBuffer(size_t floats, MappedMemory memory) : Buffer(floats), memory_(std::move(memory)) {}
  float* data() { return reinterpret_cast<float*>(memory_.data()); }
  const float* data() const { return reinterpret_cast<const float*>(memory_.data()); }

 private:
  MappedMemory memory_;
};

inline float* floats(Buffer& buffer, size_t count) {
  WEFT_ASSERT(count <= buffer.size());
  return static_cast<CpuBuffer&>(buffer).data();
}

inline const float* floats(const Buffer& buffer, size_t count) {
  WEFT_ASSERT(count <= buffer.size());
  return static_cast<const CpuBuffer&>(buffer).data();
}

inline const CpuWeight& cpu_weight(const Weight& weight) {
  return static_cast<const CpuWeight&>(weight);
}

}  // namespace weft::kernels

// VulkanWeight: a tensor on the device: a matrix in panels, in as many buffers as the device's
// largest storage buffer asks for; a vector as floats.
#pragma once

#include <memory>
#include <vector>

#include "kernels/backend.h"
#include "kernels/vulkan/memory.h"
#include "kernels/vulkan/upload.h"

namespace weft::kernels {

class VulkanWeight final : public Weight {
 public:
  // Rows [first, first + rows) of the matrix.
  struct Part {
    uint32_t first, rows;
    std::unique_ptr<VulkanBuffer> buffer;
  };

  // A look-up tensor of one row (a norm) becomes F32. kInvalid if type, shape and data do not fit,
  // kExhausted without memory.
  static Result<std::unique_ptr<VulkanWeight>> load(const TensorView& tensor, WeightUse use,
                                                    VulkanMemory& memory, VulkanUpload& upload);

  uint64_t bytes() const override;
  model::TensorType type() const { return type_; }
  std::span<const Part> parts() const { return parts_; }

 private:
  explicit VulkanWeight(const TensorView& tensor)
      : Weight(tensor.rows, tensor.cols), type_(tensor.type) {}
  Result<> load_vector(const TensorView& tensor, VulkanMemory& memory, VulkanUpload& upload);
  Result<> load_panels(const TensorView& tensor, VulkanMemory& memory, VulkanUpload& upload);

  model::TensorType type_;
  std::vector<Part> parts_;
};

}  // namespace weft::kernels

#include "kernels/vulkan/weight.h"

#include <algorithm>

#include "kernels/cpu/panel.h"
#include "kernels/cpu/repack.h"
#include "kernels/memory.h"

namespace weft::kernels {
namespace {

// Packed at a time, on its way to the device.
constexpr uint64_t kPackBytes = uint64_t{4} << 20;
// What the shaders load at a time. The last panel of MXFP4 may end in the middle of it.
constexpr uint64_t kLoadBytes = 16;

}  // namespace

Result<std::unique_ptr<VulkanWeight>> VulkanWeight::load(const TensorView& tensor, WeightUse use,
                                                         VulkanMemory& memory,
                                                         VulkanUpload& upload) {
  std::unique_ptr<VulkanWeight> weight(new VulkanWeight(tensor));
  WEFT_CHECK(row_bytes_of(tensor));
  if (use == WeightUse::kLookup && tensor.rows == 1) {
    WEFT_CHECK(weight->load_vector(tensor, memory, upload));
  } else {
    WEFT_CHECK(weight->load_panels(tensor, memory, upload));
  }
  return weight;
}

uint64_t VulkanWeight::bytes() const {
  uint64_t sum = 0;
  for (const Part& part : parts_) sum += part.buffer->size();
  return sum;
}

Result<> VulkanWeight::load_vector(const TensorView& tensor, VulkanMemory& memory,
                                   VulkanUpload& upload) {
  WEFT_TRY(std::vector<float> values, make_array<float>(tensor.cols, "a vector"));
  model::dequantize(type_, tensor.data, values);
  type_ = model::TensorType::kF32;
  Part part{0, 1, nullptr};
  WEFT_TRY(part.buffer, memory.allocate(values.size() * sizeof(float), VulkanPlace::kDevice));
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  WEFT_CHECK(upload.write(*part.buffer, 0, {bytes, values.size() * sizeof(float)}));
  parts_.push_back(std::move(part));
  if (tensor.done_with) tensor.done_with(tensor.data);
  return {};
}

Result<> VulkanWeight::load_panels(const TensorView& tensor, VulkanMemory& memory,
                                   VulkanUpload& upload) {
  WEFT_TRY(const uint64_t row_bytes, row_bytes_of(tensor));
  type_ = kept_as(tensor.type).type;
  const uint64_t one_panel = panel_bytes(type_, cols());
  if (one_panel > memory.buffer_bytes_max()) {
    return Error(ErrorCode::kInvalid, "a row of the tensor is too long for the Vulkan device");
  }
  const uint32_t panels = panel_count(rows());
  const uint32_t per_part =
      uint32_t(std::min<uint64_t>(panels, memory.buffer_bytes_max() / one_panel));
  const uint32_t per_pack = uint32_t(std::clamp<uint64_t>(kPackBytes / one_panel, 1, per_part));
  WEFT_TRY(std::vector<uint8_t> packed, make_array<uint8_t>(per_pack * one_panel, "a panel"));
  for (uint32_t first = 0; first < panels; first += per_part) {
    const uint32_t count = std::min(per_part, panels - first);
    const uint32_t first_row = first * kPanelRows;
    Part part{first_row, std::min(count * kPanelRows, rows() - first_row), nullptr};
    const uint64_t bytes = (count * one_panel + kLoadBytes - 1) / kLoadBytes * kLoadBytes;
    WEFT_TRY(part.buffer, memory.allocate(bytes, VulkanPlace::kDevice));
    for (uint32_t done = 0; done < count; done += per_pack) {
      const uint32_t now = std::min(per_pack, count - done);
      std::fill(packed.begin(), packed.end(), uint8_t{0});
      for (uint32_t p = 0; p < now; ++p) {
        const uint32_t row = (first + done + p) * kPanelRows;
        repack_panel(tensor.type, tensor.data.data() + row * row_bytes, row_bytes,
                     std::min(kPanelRows, rows() - row), cols(), packed.data() + p * one_panel);
      }
      WEFT_CHECK(upload.write(*part.buffer, done * one_panel,
                              ByteView(packed).first(now * one_panel)));
      const uint64_t from = uint64_t{first + done} * kPanelRows * row_bytes;
      const uint64_t to =
          std::min<uint64_t>(from + now * kPanelRows * row_bytes, tensor.data.size());
      if (tensor.done_with) tensor.done_with(tensor.data.subspan(from, to - from));
    }
    parts_.push_back(std::move(part));
  }
  return {};
}

}  // namespace weft::kernels

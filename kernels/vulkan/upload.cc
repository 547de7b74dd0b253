#include "kernels/vulkan/upload.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace weft::kernels {

Result<> VulkanUpload::make_staging() {
  if (staging_) return {};
  WEFT_TRY(staging_, memory_.allocate(kVulkanStagingBytes, VulkanPlace::kReadback));
  return {};
}

Result<> VulkanUpload::write(VulkanBuffer& to, uint64_t offset, ByteView bytes) {
  WEFT_ASSERT(bytes.size() % 4 == 0 && offset % 4 == 0 && offset + bytes.size() <= to.size());
  if (to.mapped()) {
    if (!bytes.empty()) std::memcpy(to.mapped() + offset, bytes.data(), bytes.size());
    return {};
  }
  WEFT_CHECK(make_staging());
  for (uint64_t done = 0; done < bytes.size();) {
    const uint64_t size = std::min<uint64_t>(kVulkanStagingBytes, bytes.size() - done);
    std::memcpy(staging_->mapped(), bytes.data() + done, size);
    WEFT_CHECK(recorder_.copy(to, offset + done, *staging_, 0, size));
    done += size;
  }
  return {};
}

Result<> VulkanUpload::read(std::span<uint8_t> to, const VulkanBuffer& from, uint64_t offset) {
  WEFT_ASSERT(to.size() % 4 == 0 && offset % 4 == 0 && offset + to.size() <= from.size());
  if (from.mapped()) {
    if (!to.empty()) std::memcpy(to.data(), from.mapped() + offset, to.size());
    return {};
  }
  WEFT_CHECK(make_staging());
  for (uint64_t done = 0; done < to.size();) {
    const uint64_t size = std::min<uint64_t>(kVulkanStagingBytes, to.size() - done);
    WEFT_CHECK(recorder_.copy(*staging_, 0, from, offset + done, size));
    std::memcpy(to.data() + done, staging_->mapped(), size);
    done += size;
  }
  return {};
}

}  // namespace weft::kernels

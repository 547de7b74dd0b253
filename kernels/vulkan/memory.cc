#include "kernels/vulkan/memory.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/text.h"

namespace weft::kernels {
namespace {

constexpr VkMemoryPropertyFlags kMapped =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

}  // namespace

VulkanBuffer::~VulkanBuffer() {
  if (size_ > 0 && memory_->on_free) memory_->on_free(*this);
  if (buffer_) memory_->device_.vk().DestroyBuffer(memory_->device_.get(), buffer_, nullptr);
  if (piece_) memory_->give_back(*piece_);
}

VulkanMemory::~VulkanMemory() {
  WEFT_ASSERT(pieces_.empty());
}

// The device's own memory, mapped if that costs nothing; else any that fits.
std::optional<uint32_t> VulkanMemory::find_type(uint32_t allowed, VulkanPlace place) const {
  const VkPhysicalDeviceMemoryProperties& memory = device_.memory();
  const auto find = [&](VkMemoryPropertyFlags wanted) -> std::optional<uint32_t> {
    for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
      const bool fits = (memory.memoryTypes[i].propertyFlags & wanted) == wanted;
      if (fits && (allowed & (1u << i))) return i;
    }
    return std::nullopt;
  };
  if (place == VulkanPlace::kReadback) {
    if (const auto cached = find(kMapped | VK_MEMORY_PROPERTY_HOST_CACHED_BIT)) return cached;
    return find(kMapped);
  }
  // A small window onto a discrete device's memory is no place for a model.
  if (place == VulkanPlace::kUpload || device_.info().kind != VulkanDeviceKind::kDiscrete) {
    if (const auto both = find(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | kMapped)) return both;
  }
  if (place == VulkanPlace::kUpload) return find(kMapped);
  if (const auto own = find(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT)) return own;
  return find(kMapped);
}

Result<std::unique_ptr<VulkanBuffer>> VulkanMemory::allocate(uint64_t bytes, VulkanPlace place) {
  bytes = (std::max<uint64_t>(bytes, 4) + 3) / 4 * 4;
  if (bytes > buffer_bytes_max()) {
    return Error(ErrorCode::kInvalid,
                 cat("the Vulkan device takes at most ", format_bytes(buffer_bytes_max()),
                     " in one buffer, not ", format_bytes(bytes)));
  }
  std::unique_ptr<VulkanBuffer> made(new VulkanBuffer());
  auto info = vulkan_struct<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  const DeviceCalls& vk = device_.vk();
  made->memory_ = this;
  VkResult result = vk.CreateBuffer(device_.get(), &info, nullptr, &made->buffer_);
  if (result != VK_SUCCESS) return vulkan_error("make a buffer", result);
  VkMemoryRequirements needs;
  vk.GetBufferMemoryRequirements(device_.get(), made->buffer_, &needs);
  const auto type = find_type(needs.memoryTypeBits, place);
  if (!type) return Error(ErrorCode::kUnsupported, "the Vulkan device has no memory of that kind");
  uint64_t offset = 0;
  WEFT_TRY(VulkanPiece * piece, take(needs.size, needs.alignment, *type, &offset));
  made->piece_ = piece;
  result = vk.BindBufferMemory(device_.get(), made->buffer_, piece->memory, offset);
  if (result != VK_SUCCESS) return vulkan_error("bind memory", result);
  made->size_ = bytes;
  const bool hidden = place == VulkanPlace::kDevice && device_.options().unmapped;
  if (piece->mapped && !hidden) made->mapped_ = piece->mapped + offset;
  return made;
}

Result<VulkanPiece*> VulkanMemory::take(uint64_t bytes, uint64_t alignment, uint32_t type,
                                        uint64_t* offset) {
  for (VulkanPiece& piece : pieces_) {
    const uint64_t at = (piece.used + alignment - 1) / alignment * alignment;
    if (piece.type != type || at > piece.size || piece.size - at < bytes) continue;
    piece.used = at + bytes;
    ++piece.buffers;
    *offset = at;
    return &piece;
  }
  VulkanPiece piece;
  piece.type = type;
  piece.size = std::max(bytes, kVulkanPieceBytes);
  auto info = vulkan_struct<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
  info.memoryTypeIndex = type;
  info.allocationSize = piece.size;
  const DeviceCalls& vk = device_.vk();
  VkResult result = vk.AllocateMemory(device_.get(), &info, nullptr, &piece.memory);
  if (result != VK_SUCCESS && piece.size > bytes) {
    info.allocationSize = piece.size = bytes;  // the last of it, perhaps
    result = vk.AllocateMemory(device_.get(), &info, nullptr, &piece.memory);
  }
  if (result != VK_SUCCESS) {
    return vulkan_error(cat("take ", format_bytes(bytes), " of ", device_.info().name), result);
  }
  if (device_.memory().memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
    void* mapped = nullptr;
    result = vk.MapMemory(device_.get(), piece.memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    if (result != VK_SUCCESS) {
      vk.FreeMemory(device_.get(), piece.memory, nullptr);
      return vulkan_error("map memory", result);
    }
    piece.mapped = static_cast<uint8_t*>(mapped);
  }
  piece.used = bytes;
  piece.buffers = 1;
  allocated_ += piece.size;
  *offset = 0;
  return &pieces_.emplace_back(piece);
}

void VulkanMemory::give_back(VulkanPiece& piece) {
  if (--piece.buffers > 0) return;
  device_.vk().FreeMemory(device_.get(), piece.memory, nullptr);
  allocated_ -= piece.size;
  pieces_.remove_if([&](const VulkanPiece& other) { return &other == &piece; });
}

}  // namespace weft::kernels

// Recorder: a sequence of dispatches, run with one submission and one wait.
//
// What is recorded is first only a list. At the end it is compared with the lists that were run
// before: if one is the same, its command buffer is submitted again as it is, so a token costs no
// recording. What differs from token to token (positions, pages, tokens) is not in the list but in
// a buffer that the dispatches read. Barriers stand only where a dispatch reads what an earlier one
// wrote, or writes what one reads.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "kernels/backend.h"
#include "kernels/vulkan/memory.h"
#include "kernels/vulkan/pipelines.h"

namespace weft::kernels {

inline constexpr size_t kRecordingsMax = 16;     // kept for being run again
inline constexpr size_t kDispatchesMax = 16384;  // in one sequence

struct VulkanDispatch {
  const VulkanPipeline* pipeline = nullptr;
  std::array<const VulkanBuffer*, kVulkanBindings> buffers{};  // as many as the pipeline has
  uint32_t writes = 0;                                         // bit i: buffers[i] is written
  std::array<uint32_t, kVulkanPushWords> push{};
  std::array<uint32_t, 3> groups{1, 1, 1};

  bool operator==(const VulkanDispatch&) const = default;
};

class VulkanRecorder {
 public:
  static Result<std::unique_ptr<VulkanRecorder>> create(VulkanDevice& device);
  ~VulkanRecorder();

  void add(const VulkanDispatch& dispatch) { list_.push_back(dispatch); }
  void drop() { list_.clear(); }
  // Each dispatch of a list is told with its shader's name once the list has run; the time of one
  // that runs beside another goes to the one that ends later.
  void observe(OperationObserver observer);
  bool empty() const { return list_.empty(); }
  // Runs what was added, and forgets it. kUnavailable: the device is lost, or hangs.
  Result<> run();
  // Copies at once; nothing may have been added. Offsets and sizes are multiples of 4.
  Result<> copy(const VulkanBuffer& to, uint64_t to_offset, const VulkanBuffer& from,
                uint64_t from_offset, uint64_t bytes);
  // Copies the first bytes, and gives the seconds that it took by the device's clock, which it has.
  Result<double> time_copy(const VulkanBuffer& to, const VulkanBuffer& from, uint64_t bytes);
  // A buffer goes: recordings that use it must not be run again.
  void forget(const VulkanBuffer& buffer);

 private:
  struct Recording {
    std::vector<VulkanDispatch> list;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VkDescriptorPool descriptors = VK_NULL_HANDLE;
    VkQueryPool times = VK_NULL_HANDLE;  // if observed: at the beginning, and after each dispatch
  };

  explicit VulkanRecorder(VulkanDevice& device) : device_(device) {}
  Result<Recording> record(std::vector<VulkanDispatch> list);
  Result<> make_descriptors(Recording& recording, std::vector<VkDescriptorSet>& sets);
  void write_commands(const Recording& recording, std::span<const VkDescriptorSet> sets);
  Result<VkQueryPool> make_times(size_t count);
  Result<double> time_copy(VkQueryPool times, const VulkanBuffer& to, const VulkanBuffer& from,
                           uint64_t bytes);
  // Between two times of the device's clock.
  double nanoseconds(uint64_t begin, uint64_t end) const;
  void tell_times(const Recording& recording) const;
  Result<VkCommandBuffer> begin_commands();
  Result<> submit(VkCommandBuffer commands);
  void destroy(Recording& recording);

  VulkanDevice& device_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
  OperationObserver observer_;
  std::vector<VulkanDispatch> list_;
  std::list<Recording> recordings_;  // the one used last is first
};

}  // namespace weft::kernels

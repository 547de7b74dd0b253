#include "kernels/vulkan/recorder.h"

#include <algorithm>

#include "base/assert.h"
#include "base/clock.h"
#include "base/text.h"

namespace weft::kernels {
namespace {

// Far above any batch's time on a slow device; a driver that hangs must not hold a node for ever.
constexpr Duration kRunTimeout = seconds(120);

}  // namespace

Result<std::unique_ptr<VulkanRecorder>> VulkanRecorder::create(VulkanDevice& device) {
  std::unique_ptr<VulkanRecorder> made(new VulkanRecorder(device));
  const DeviceCalls& vk = device.vk();
  auto pool = vulkan_struct<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  pool.queueFamilyIndex = device.queue_family();
  VkResult result = vk.CreateCommandPool(device.get(), &pool, nullptr, &made->pool_);
  if (result != VK_SUCCESS) return vulkan_error("make a command pool", result);
  const auto fence = vulkan_struct<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
  result = vk.CreateFence(device.get(), &fence, nullptr, &made->fence_);
  if (result != VK_SUCCESS) return vulkan_error("make a fence", result);
  return made;
}

VulkanRecorder::~VulkanRecorder() {
  const DeviceCalls& vk = device_.vk();
  vk.DeviceWaitIdle(device_.get());
  for (Recording& recording : recordings_) destroy(recording);
  if (fence_) vk.DestroyFence(device_.get(), fence_, nullptr);
  if (pool_) vk.DestroyCommandPool(device_.get(), pool_, nullptr);
}

Result<> VulkanRecorder::run() {
  std::vector<VulkanDispatch> list = std::exchange(list_, {});
  if (list.empty()) return {};
  if (list.size() > kDispatchesMax) {
    return Error(ErrorCode::kExhausted, cat(list.size(), " dispatches are too many for one batch"));
  }
  const auto known = std::find_if(recordings_.begin(), recordings_.end(),
                                  [&](const Recording& r) { return r.list == list; });
  if (known != recordings_.end()) {
    recordings_.splice(recordings_.begin(), recordings_, known);
  } else {
    WEFT_TRY(Recording made, record(std::move(list)));
    recordings_.push_front(std::move(made));
    if (recordings_.size() > kRecordingsMax) {
      destroy(recordings_.back());
      recordings_.pop_back();
    }
  }
  WEFT_CHECK(submit(recordings_.front().commands));
  if (recordings_.front().times) tell_times(recordings_.front());
  return {};
}

void VulkanRecorder::observe(OperationObserver observer) {
  observer_ = device_.timestamp_bits() > 0 ? std::move(observer) : OperationObserver();
  for (Recording& recording : recordings_) destroy(recording);  // they write no times, or too many
  recordings_.clear();
}

Result<VkQueryPool> VulkanRecorder::make_times(size_t count) {
  auto info = vulkan_struct<VkQueryPoolCreateInfo>(VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = uint32_t(count);
  VkQueryPool times = VK_NULL_HANDLE;
  const VkResult made = device_.vk().CreateQueryPool(device_.get(), &info, nullptr, &times);
  if (made != VK_SUCCESS) return vulkan_error("make a query pool", made);
  return times;
}

double VulkanRecorder::nanoseconds(uint64_t begin, uint64_t end) const {
  const uint32_t bits = device_.timestamp_bits();
  const uint64_t mask = bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  return double((end - begin) & mask) * device_.limits().timestampPeriod;
}

// The device's clock is its own: its last time is taken to be now.
void VulkanRecorder::tell_times(const Recording& recording) const {
  const Time now = SystemClock().now();
  std::vector<uint64_t> ticks(recording.list.size() + 1);
  const VkResult got = device_.vk().GetQueryPoolResults(
      device_.get(), recording.times, 0, uint32_t(ticks.size()), ticks.size() * sizeof ticks[0],
      ticks.data(), sizeof ticks[0], VK_QUERY_RESULT_64_BIT);
  if (got != VK_SUCCESS) return;
  const auto at = [&](size_t i) {
    return now + Duration(-int64_t(nanoseconds(ticks[i], ticks.back())));
  };
  for (size_t i = 0; i < recording.list.size(); ++i) {
    observer_(recording.list[i].pipeline->shader, at(i), at(i + 1));
  }
}

Result<VulkanRecorder::Recording> VulkanRecorder::record(std::vector<VulkanDispatch> list) {
  Recording recording;
  recording.list = std::move(list);
  std::vector<VkDescriptorSet> sets(recording.list.size());
  auto made = make_descriptors(recording, sets);
  if (made.ok() && observer_) {
    auto times = make_times(recording.list.size() + 1);
    if (times.ok()) {
      recording.times = *times;
    } else {
      made = std::move(times).error();
    }
  }
  if (made.ok()) {
    auto commands = begin_commands();
    if (commands.ok()) {
      recording.commands = *commands;
      write_commands(recording, sets);
      const VkResult ended = device_.vk().EndCommandBuffer(recording.commands);
      if (ended == VK_SUCCESS) return recording;
      made = vulkan_error("record", ended);
    } else {
      made = std::move(commands).error();
    }
  }
  destroy(recording);
  return std::move(made).error();
}

Result<> VulkanRecorder::make_descriptors(Recording& recording,
                                          std::vector<VkDescriptorSet>& sets) {
  const DeviceCalls& vk = device_.vk();
  uint32_t bindings = 0;
  std::vector<VkDescriptorSetLayout> layouts;
  for (const VulkanDispatch& dispatch : recording.list) {
    bindings += dispatch.pipeline->bindings;
    layouts.push_back(dispatch.pipeline->set_layout);
  }
  const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, bindings};
  auto info = vulkan_struct<VkDescriptorPoolCreateInfo>(
      VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
  info.maxSets = uint32_t(layouts.size());
  info.poolSizeCount = 1;
  info.pPoolSizes = &size;
  VkResult result = vk.CreateDescriptorPool(device_.get(), &info, nullptr, &recording.descriptors);
  if (result != VK_SUCCESS) return vulkan_error("make a descriptor pool", result);
  auto allocate = vulkan_struct<VkDescriptorSetAllocateInfo>(
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
  allocate.descriptorPool = recording.descriptors;
  allocate.descriptorSetCount = uint32_t(layouts.size());
  allocate.pSetLayouts = layouts.data();
  result = vk.AllocateDescriptorSets(device_.get(), &allocate, sets.data());
  if (result != VK_SUCCESS) return vulkan_error("allocate descriptors", result);

  std::vector<VkDescriptorBufferInfo> buffers;
  buffers.reserve(bindings);  // they are pointed at
  std::vector<VkWriteDescriptorSet> writes;
  for (size_t i = 0; i < sets.size(); ++i) {
    const VulkanDispatch& dispatch = recording.list[i];
    auto write = vulkan_struct<VkWriteDescriptorSet>(VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
    write.dstSet = sets[i];
    write.descriptorCount = dispatch.pipeline->bindings;
    write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    write.pBufferInfo = buffers.data() + buffers.size();
    for (uint32_t b = 0; b < dispatch.pipeline->bindings; ++b) {
      WEFT_ASSERT(dispatch.buffers[b] != nullptr);
      buffers.push_back({dispatch.buffers[b]->get(), 0, VK_WHOLE_SIZE});
    }
    writes.push_back(write);
  }
  vk.UpdateDescriptorSets(device_.get(), uint32_t(writes.size()), writes.data(), 0, nullptr);
  return {};
}

Result<VkCommandBuffer> VulkanRecorder::begin_commands() {
  auto info = vulkan_struct<VkCommandBufferAllocateInfo>(
      VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
  info.commandPool = pool_;
  info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  info.commandBufferCount = 1;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  VkResult result = device_.vk().AllocateCommandBuffers(device_.get(), &info, &commands);
  if (result != VK_SUCCESS) return vulkan_error("allocate a command buffer", result);
  const auto begin = vulkan_struct<VkCommandBufferBeginInfo>(
      VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  result = device_.vk().BeginCommandBuffer(commands, &begin);
  if (result == VK_SUCCESS) return commands;
  device_.vk().FreeCommandBuffers(device_.get(), pool_, 1, &commands);
  return vulkan_error("begin a command buffer", result);
}

void VulkanRecorder::write_commands(const Recording& recording,
                                    std::span<const VkDescriptorSet> sets) {
  const DeviceCalls& vk = device_.vk();
  auto barrier = vulkan_struct<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
  barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
  const auto note_time = [&](VkPipelineStageFlagBits stage, size_t query) {
    if (recording.times) {
      vk.CmdWriteTimestamp(recording.commands, stage, recording.times, uint32_t(query));
    }
  };
  if (recording.times) {
    vk.CmdResetQueryPool(recording.commands, recording.times, 0,
                         uint32_t(recording.list.size()) + 1);
  }
  note_time(VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, 0);
  // Since the last barrier.
  std::vector<const VulkanBuffer*> read, written;
  const auto has = [](const auto& list, const VulkanBuffer* buffer) {
    return std::find(list.begin(), list.end(), buffer) != list.end();
  };
  for (size_t i = 0; i < recording.list.size(); ++i) {
    const VulkanDispatch& dispatch = recording.list[i];
    const VulkanPipeline& pipeline = *dispatch.pipeline;
    bool conflict = false;
    for (uint32_t b = 0; b < pipeline.bindings; ++b) {
      const bool writes = dispatch.writes & (1u << b);
      conflict |= has(written, dispatch.buffers[b]) || (writes && has(read, dispatch.buffers[b]));
    }
    if (conflict) {
      vk.CmdPipelineBarrier(recording.commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, nullptr, 0,
                            nullptr);
      read.clear();
      written.clear();
    }
    for (uint32_t b = 0; b < pipeline.bindings; ++b) {
      (dispatch.writes & (1u << b) ? written : read).push_back(dispatch.buffers[b]);
    }
    vk.CmdBindPipeline(recording.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.pipeline);
    vk.CmdBindDescriptorSets(recording.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout, 0,
                             1, &sets[i], 0, nullptr);
    vk.CmdPushConstants(recording.commands, pipeline.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                        sizeof dispatch.push, dispatch.push.data());
    vk.CmdDispatch(recording.commands, dispatch.groups[0], dispatch.groups[1], dispatch.groups[2]);
    note_time(VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, i + 1);
  }
  // What the processor reads after the wait.
  barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
  vk.CmdPipelineBarrier(recording.commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                        VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &barrier,
                        0, nullptr, 0, nullptr);
}

Result<> VulkanRecorder::copy(const VulkanBuffer& to, uint64_t to_offset, const VulkanBuffer& from,
                              uint64_t from_offset, uint64_t bytes) {
  WEFT_ASSERT(list_.empty());
  if (bytes == 0) return {};
  WEFT_TRY(VkCommandBuffer commands, begin_commands());
  const DeviceCalls& vk = device_.vk();
  const VkBufferCopy region{from_offset, to_offset, bytes};
  vk.CmdCopyBuffer(commands, from.get(), to.get(), 1, &region);
  auto barrier = vulkan_struct<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
  barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_SHADER_READ_BIT;
  vk.CmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                        VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
                        &barrier, 0, nullptr, 0, nullptr);
  const VkResult ended = vk.EndCommandBuffer(commands);
  Result<> done = ended == VK_SUCCESS ? submit(commands) : vulkan_error("record a copy", ended);
  vk.FreeCommandBuffers(device_.get(), pool_, 1, &commands);
  return done;
}

Result<double> VulkanRecorder::time_copy(const VulkanBuffer& to, const VulkanBuffer& from,
                                         uint64_t bytes) {
  WEFT_ASSERT(list_.empty() && device_.timestamp_bits() > 0);
  WEFT_TRY(const VkQueryPool times, make_times(2));
  Result<double> seconds = time_copy(times, to, from, bytes);
  device_.vk().DestroyQueryPool(device_.get(), times, nullptr);
  return seconds;
}

Result<double> VulkanRecorder::time_copy(VkQueryPool times, const VulkanBuffer& to,
                                         const VulkanBuffer& from, uint64_t bytes) {
  const DeviceCalls& vk = device_.vk();
  WEFT_TRY(VkCommandBuffer commands, begin_commands());
  const VkBufferCopy region{0, 0, bytes};
  vk.CmdResetQueryPool(commands, times, 0, 2);
  vk.CmdWriteTimestamp(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, times, 0);
  vk.CmdCopyBuffer(commands, from.get(), to.get(), 1, &region);
  vk.CmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times, 1);
  const VkResult ended = vk.EndCommandBuffer(commands);
  const Result<> done = ended == VK_SUCCESS ? submit(commands)
                                            : vulkan_error("record a copy", ended);
  vk.FreeCommandBuffers(device_.get(), pool_, 1, &commands);
  WEFT_CHECK(done);
  uint64_t ticks[2];
  const VkResult got = vk.GetQueryPoolResults(device_.get(), times, 0, 2, sizeof ticks, ticks,
                                              sizeof ticks[0], VK_QUERY_RESULT_64_BIT);
  if (got != VK_SUCCESS) return vulkan_error("read the device's clock", got);
  return nanoseconds(ticks[0], ticks[1]) * 1e-9;
}

Result<> VulkanRecorder::submit(VkCommandBuffer commands) {
  const DeviceCalls& vk = device_.vk();
  auto info = vulkan_struct<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  const auto& lost = device_.options().lost;
  VkResult result = lost && *lost ? VK_ERROR_DEVICE_LOST
                                  : vk.QueueSubmit(device_.queue(), 1, &info, fence_);
  if (result != VK_SUCCESS) return vulkan_error("submit", result);
  result = vk.WaitForFences(device_.get(), 1, &fence_, VK_TRUE, uint64_t(kRunTimeout.count()));
  if (result != VK_SUCCESS) return vulkan_error(cat("wait for ", device_.info().name), result);
  result = vk.ResetFences(device_.get(), 1, &fence_);
  if (result != VK_SUCCESS) return vulkan_error("reset a fence", result);
  return {};
}

void VulkanRecorder::forget(const VulkanBuffer& buffer) {
  recordings_.remove_if([&](Recording& recording) {
    const bool uses = std::any_of(
        recording.list.begin(), recording.list.end(), [&](const VulkanDispatch& dispatch) {
          return std::find(dispatch.buffers.begin(), dispatch.buffers.end(), &buffer) !=
                 dispatch.buffers.end();
        });
    if (uses) destroy(recording);
    return uses;
  });
}

void VulkanRecorder::destroy(Recording& recording) {
  const DeviceCalls& vk = device_.vk();
  if (recording.commands) vk.FreeCommandBuffers(device_.get(), pool_, 1, &recording.commands);
  if (recording.descriptors) {
    vk.DestroyDescriptorPool(device_.get(), recording.descriptors, nullptr);
  }
  if (recording.times) vk.DestroyQueryPool(device_.get(), recording.times, nullptr);
  recording.times = VK_NULL_HANDLE;
  recording.commands = VK_NULL_HANDLE;
  recording.descriptors = VK_NULL_HANDLE;
}

}  // namespace weft::kernels

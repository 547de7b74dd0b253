#include "kernels/vulkan/recorder.h"

#include <cstring>

#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

class VulkanRecorderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    device_ = vulkan_device();
    if (!device_) GTEST_SKIP() << "no Vulkan device here";
    memory_ = std::make_unique<VulkanMemory>(*device_);
    pipelines_ = std::make_unique<VulkanPipelines>(*device_);
    recorder_ = VulkanRecorder::create(*device_).value();
    memory_->on_free = [this](const VulkanBuffer& buffer) { recorder_->forget(buffer); };
  }
  void TearDown() override {
    if (device_) {
      EXPECT_EQ(device_->complaints(), 0u);
    }
  }

  std::unique_ptr<VulkanBuffer> floats(std::vector<float> values) {
    auto buffer = memory_->allocate(values.size() * 4, VulkanPlace::kUpload).value();
    std::memcpy(buffer->mapped(), values.data(), values.size() * 4);
    return buffer;
  }
  static std::vector<float> values(const VulkanBuffer& buffer) {
    std::vector<float> got(buffer.size() / 4);
    std::memcpy(got.data(), buffer.mapped(), buffer.size());
    return got;
  }
  // x += y
  VulkanDispatch add(const VulkanBuffer& x, const VulkanBuffer& y) {
    VulkanDispatch dispatch;
    dispatch.pipeline = pipelines_->get("add").value();
    dispatch.buffers = {&x, &y};
    dispatch.writes = 1;
    dispatch.push = {uint32_t(x.size() / 4)};
    return dispatch;
  }

  std::unique_ptr<VulkanDevice> device_;
  std::unique_ptr<VulkanMemory> memory_;
  std::unique_ptr<VulkanPipelines> pipelines_;
  std::unique_ptr<VulkanRecorder> recorder_;
};

TEST_F(VulkanRecorderTest, EachDispatchSeesWhatThoseBeforeItWrote) {
  const auto a = floats({1, 2}), b = floats({10, 20});
  for (int i = 0; i < 20; ++i) {
    recorder_->add(add(*a, *b));  // a += b
    recorder_->add(add(*b, *a));  // b += a
  }
  ASSERT_TRUE(recorder_->run().ok());
  float x = 1, y = 10;
  for (int i = 0; i < 20; ++i) {
    x += y;
    y += x;
  }
  EXPECT_EQ(values(*a)[0], x);
  EXPECT_EQ(values(*b)[0], y);
}

TEST_F(VulkanRecorderTest, RunsTheSameListAgainWithOtherData) {
  const auto a = floats({0}), b = floats({1});
  for (int i = 1; i <= 3; ++i) {
    recorder_->add(add(*a, *b));
    EXPECT_FALSE(recorder_->empty());
    ASSERT_TRUE(recorder_->run().ok());
    EXPECT_TRUE(recorder_->empty());
    EXPECT_EQ(values(*a)[0], float(i));
  }
}

TEST_F(VulkanRecorderTest, KeepsManyListsAndForgetsTheOldest) {
  const auto one = floats({1});
  std::vector<std::unique_ptr<VulkanBuffer>> sums;
  for (size_t i = 0; i < 2 * kRecordingsMax; ++i) sums.push_back(floats({0}));
  for (int round = 1; round <= 2; ++round) {
    for (const auto& sum : sums) {
      recorder_->add(add(*sum, *one));
      ASSERT_TRUE(recorder_->run().ok());
      EXPECT_EQ(values(*sum)[0], float(round));
    }
  }
}

TEST_F(VulkanRecorderTest, ABufferMayGoBetweenTwoRuns) {
  const auto one = floats({1});
  for (int i = 0; i < 5; ++i) {
    const auto sum = floats({float(i)});
    recorder_->add(add(*sum, *one));
    ASSERT_TRUE(recorder_->run().ok());
    EXPECT_EQ(values(*sum)[0], float(i + 1));
  }
}

TEST_F(VulkanRecorderTest, WhatIsDroppedDoesNotRun) {
  const auto a = floats({0}), one = floats({1});
  recorder_->add(add(*a, *one));
  recorder_->drop();
  ASSERT_TRUE(recorder_->run().ok());
  EXPECT_EQ(values(*a)[0], 0);
}

TEST_F(VulkanRecorderTest, TooManyDispatchesAreRefusedAndForgotten) {
  const auto a = floats({0}), one = floats({1});
  for (size_t i = 0; i <= kDispatchesMax; ++i) recorder_->add(add(*a, *one));
  EXPECT_EQ(recorder_->run().error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(recorder_->empty());
}

}  // namespace
}  // namespace weft::kernels

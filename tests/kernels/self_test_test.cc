#include "kernels/self_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/vulkan/vulkan_test_support.h"
#include "tests/kernels/wrapped_backend.h"

namespace weft::kernels {
namespace {

using ::testing::HasSubstr;

TEST(SelfTest, EveryBackendHerePasses) {
  EXPECT_TRUE(self_test(*make_reference_backend()).ok());
  const auto cpu = self_test(*make_cpu_backend({.threads = 2}).value());
  EXPECT_TRUE(cpu.ok()) << cpu.error().message;
  if (const auto vulkan = vulkan_backend()) {
    const auto passed = self_test(*vulkan);
    EXPECT_TRUE(passed.ok()) << passed.error().message;
    EXPECT_EQ(vulkan->device().complaints(), 0u);
  }
}

class ForgetsToAdd : public WrappedBackend {
 public:
  void add(Buffer&, const Buffer&, size_t) override {}
};

TEST(SelfTest, NamesWhatIsComputedWrongly) {
  ForgetsToAdd backend;
  const auto tested = self_test(backend);
  ASSERT_FALSE(tested.ok());
  EXPECT_EQ(tested.error().code, ErrorCode::kInternal);
  EXPECT_THAT(tested.error().message, HasSubstr("sums"));
}

TEST(SelfTest, ADeviceThatFailsIsThatError) {
  WrappedBackend backend;
  backend.fail_finish = true;
  EXPECT_EQ(self_test(backend).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weft::kernels

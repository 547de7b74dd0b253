#include "node/profile.h"

#include <gtest/gtest.h>

namespace weft::node {
namespace {

TEST(Profile, UsableMemoryIsPositiveAndBelowWhatAMachineCanHave) {
  EXPECT_GT(usable_memory(), 0u);
  EXPECT_LT(usable_memory(), uint64_t{1} << 48);
}

TEST(Profile, ADeviceHasASpeedForEachTypeAskedForAndTheUsualOnes) {
  auto backend = kernels::make_cpu_backend({1, false});
  ASSERT_TRUE(backend.ok());
  const auto profile = measure_profile(**backend, {12345, {model::TensorType::kF16}});
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  EXPECT_EQ(profile->memory_bytes, 12345u);
  EXPECT_GT(profile->layer_overhead_s, 0);
  EXPECT_EQ(profile->backend.rfind("cpu ", 0), 0u);
  std::set<uint32_t> types;
  for (const transport::TypeSpeed& speed : profile->speeds) {
    types.insert(speed.tensor_type);
    EXPECT_GT(speed.decode_bytes_per_s, 0);
    EXPECT_GT(speed.prefill_flops, 0);
  }
  EXPECT_EQ(types.size(), 6u);
  EXPECT_TRUE(types.contains(uint32_t(model::TensorType::kF16)));
}

}  // namespace
}  // namespace weft::node

#include "kernels/cpu/cpu_weight.h"

#include <algorithm>
#include <atomic>

#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

TEST(CpuWeight, TakesNoMoreMemoryThanTheFile) {
  Random random(test::test_seed(54));
  const auto pool = ThreadPool::create(2).value();
  for (const model::TensorType type : kAllTypes) {
    const Tensor tensor = make_tensor(type, 64, 512, random);
    for (const WeightUse use : {WeightUse::kMatmul, WeightUse::kLookup, WeightUse::kBoth}) {
      for (const bool twins : {false, true}) {
        const auto weight = CpuWeight::load(tensor.view(), use, *pool, twins).value();
        EXPECT_EQ(weight->bytes(), tensor.data.size());
      }
    }
  }
}

TEST(CpuWeight, ReadsRowsBackFromPanelsBitForBit) {
  Random random(test::test_seed(55));
  const auto pool = ThreadPool::create(3).value();
  for (const model::TensorType type : kAllTypes) {
    const Tensor tensor = make_tensor(type, 1003, 256, random);
    for (const bool twins : {false, true}) {
      const auto weight = CpuWeight::load(tensor.view(), WeightUse::kBoth, *pool, twins).value();
      EXPECT_TRUE(weight->has_panels());
      std::vector<float> row(256);
      Bytes scratch(weight->row_bytes());
      for (const uint32_t index : {0u, 7u, 8u, 500u, 1002u}) {
        weight->read_row(index, row, scratch);
        EXPECT_TRUE(std::equal(row.begin(), row.end(), tensor.values.begin() + index * 256));
      }
    }
  }
}

TEST(CpuWeight, LetsGoOfEveryByteOnceItIsRead) {
  Random random(test::test_seed(57));
  const auto pool = ThreadPool::create(3).value();
  for (const WeightUse use : {WeightUse::kMatmul, WeightUse::kLookup}) {
    const Tensor tensor = make_tensor(model::TensorType::kQ8_0, 5003, 1024, random);
    std::vector<std::atomic<uint8_t>> times(tensor.data.size());
    TensorView view = tensor.view();
    view.done_with = [&](ByteView part) {
      const size_t begin = size_t(part.data() - tensor.data.data());
      for (size_t i = begin; i < begin + part.size(); ++i) times[i].fetch_add(1);
    };
    ASSERT_TRUE(CpuWeight::load(view, use, *pool, true).ok());
    EXPECT_TRUE(std::all_of(times.begin(), times.end(), [](const auto& n) { return n == 1; }));
  }
}

TEST(CpuWeight, ALookUpOfOneRowBecomesFloats) {
  Random random(test::test_seed(56));
  const auto pool = ThreadPool::create(1).value();
  for (const model::TensorType type : kAllTypes) {
    const Tensor tensor = make_tensor(type, 1, 256, random);
    const auto weight = CpuWeight::load(tensor.view(), WeightUse::kLookup, *pool, false).value();
    const std::span<const float> values = weight->values();
    EXPECT_TRUE(
        std::equal(values.begin(), values.end(), tensor.values.begin(), tensor.values.end()));
  }
}

}  // namespace
}  // namespace weft::kernels

#include "model/quantize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/random.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

struct Case {
  TensorType type;
  double error;  // largest root mean square error of standard normal values
};

class Quantize : public ::testing::TestWithParam<Case> {};

double rms_error(TensorType type, const std::vector<float>& values) {
  const Bytes blocks = quantize(type, values);
  EXPECT_EQ(blocks.size(), tensor_bytes(type, values.size()));
  std::vector<float> back(values.size());
  dequantize(type, blocks, back);
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += std::pow(double(back[i]) - values[i], 2);
  return std::sqrt(sum / double(values.size()));
}

TEST_P(Quantize, RandomValuesComeBackWithinTheTypesError) {
  Random random(test::test_seed(5));
  std::vector<float> values(64 * 256);
  for (float& value : values) value = float(random.normal());
  EXPECT_LE(rms_error(GetParam().type, values), GetParam().error);
}

TEST_P(Quantize, ZerosStayZero) {
  EXPECT_EQ(rms_error(GetParam().type, std::vector<float>(256)), 0);
}

TEST_P(Quantize, ABlockOfOneSignKeepsItsSign) {
  for (const float sign : {1.0f, -1.0f}) {
    std::vector<float> values(256);
    for (size_t i = 0; i < values.size(); ++i) values[i] = sign * float(1 + double(i) / 256);
    EXPECT_LE(rms_error(GetParam().type, values), 0.12);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, Quantize,
    ::testing::Values(Case{TensorType::kF32, 0}, Case{TensorType::kF16, 3e-4},
                      Case{TensorType::kBF16, 3e-3}, Case{TensorType::kQ8_0, 6e-3},
                      Case{TensorType::kQ4_0, 0.10}, Case{TensorType::kQ4_K, 0.09},
                      Case{TensorType::kQ5_K, 0.045}, Case{TensorType::kQ6_K, 0.025}),
    [](const auto& tested) { return std::string(tensor_type_info(tested.param.type).name); });

TEST(QuantizeGolden, ValuesThatBlocksStandForQuantizeToTheSameValues) {
  WEFT_GOLDEN_OR_SKIP(golden);
  // Q8_0 is symmetric: its own values are reproduced where a block's extreme is +-127.
  const auto expected = read_file(golden + "/dequant/q8_0.f32", 1 << 20);
  ASSERT_TRUE(expected.ok());
  std::vector<float> values(expected->size() / sizeof(float));
  std::memcpy(values.data(), expected->data(), expected->size());
  double largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(double(value)));
  EXPECT_LE(rms_error(TensorType::kQ8_0, values), largest / 200);
}

}  // namespace
}  // namespace weft::model

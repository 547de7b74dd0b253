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
  double error;     // largest root mean square error of standard normal values
  double one_sign;  // and of values from 1 to 2; types with an even number of signs miss some
};

std::ostream& operator<<(std::ostream& out, const Case& tested) {
  return out << tensor_type_info(tested.type).name;
}

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
    EXPECT_LE(rms_error(GetParam().type, values), GetParam().one_sign);
  }
}

TEST_P(Quantize, NumbersBeyondAHalfDoNotBecomeInfinite) {
  if (GetParam().type == TensorType::kBF16) return;  // as far as f32
  for (const float size : {1e30f, 1e-30f, 1e-42f}) {
    std::vector<float> values(256), back(256);
    for (size_t i = 0; i < values.size(); ++i) values[i] = size * float(int(i % 7) - 3);
    dequantize(GetParam().type, quantize(GetParam().type, values), back);
    for (const float value : back) ASSERT_TRUE(std::isfinite(value)) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, Quantize,
    ::testing::Values(Case{TensorType::kF32, 0, 0}, Case{TensorType::kF16, 3e-4, 3e-4},
                      Case{TensorType::kBF16, 3e-3, 3e-3}, Case{TensorType::kQ8_0, 6e-3, 5e-3},
                      Case{TensorType::kQ4_0, 0.09, 0.12}, Case{TensorType::kQ4_1, 0.085, 0.03},
                      Case{TensorType::kQ5_0, 0.045, 0.06}, Case{TensorType::kQ5_1, 0.042, 0.01},
                      Case{TensorType::kQ2_K, 0.30, 0.12}, Case{TensorType::kQ3_K, 0.17, 0.12},
                      Case{TensorType::kQ4_K, 0.08, 0.05}, Case{TensorType::kQ5_K, 0.04, 0.03},
                      Case{TensorType::kQ6_K, 0.019, 0.02}, Case{TensorType::kIQ1_S, 0.50, 0.2},
                      Case{TensorType::kIQ1_M, 0.47, 0.2}, Case{TensorType::kIQ2_XXS, 0.37, 0.8},
                      Case{TensorType::kIQ2_XS, 0.33, 0.12}, Case{TensorType::kIQ2_S, 0.28, 0.12},
                      Case{TensorType::kIQ3_XXS, 0.21, 0.6}, Case{TensorType::kIQ3_S, 0.16, 0.6},
                      Case{TensorType::kIQ4_NL, 0.085, 0.08},
                      Case{TensorType::kIQ4_XS, 0.085, 0.08}, Case{TensorType::kTQ1_0, 0.47, 0.5},
                      Case{TensorType::kTQ2_0, 0.47, 0.5}, Case{TensorType::kMXFP4, 0.13, 0.25}),
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

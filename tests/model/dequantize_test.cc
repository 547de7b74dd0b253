#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "model/tensor_type.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

struct Case {
  TensorType type;
  std::string file;
};

std::ostream& operator<<(std::ostream& out, const Case& tested) {
  return out << tested.file;
}

class Dequantize : public ::testing::TestWithParam<Case> {};

TEST_P(Dequantize, MatchesTheGoldenValuesToTheLastBit) {
  WEFT_GOLDEN_OR_SKIP(golden);
  const std::string base = golden + "/dequant/" + GetParam().file;
  const auto blocks = read_file(base + ".blocks", 1 << 20);
  const auto expected = read_file(base + ".f32", 1 << 20);
  ASSERT_TRUE(blocks.ok() && expected.ok());
  std::vector<float> out(expected->size() / sizeof(float));
  ASSERT_EQ(tensor_bytes(GetParam().type, out.size()), blocks->size());
  dequantize(GetParam().type, *blocks, out);
  ASSERT_FALSE(out.empty());
  EXPECT_EQ(std::memcmp(out.data(), expected->data(), expected->size()), 0);
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = char(std::tolower(c));
  return lower;
}

// Every type of blocks has golden ones but MXFP4, which is worked out below; F32 and F16 have none.
std::vector<Case> golden_cases() {
  std::vector<Case> cases;
  for (const TensorTypeInfo& info : all_tensor_types()) {
    if (info.type == TensorType::kF32 || info.type == TensorType::kF16) continue;
    if (info.type != TensorType::kMXFP4) cases.push_back({info.type, lower_case(info.name)});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Types, Dequantize, ::testing::ValuesIn(golden_cases()),
                         [](const auto& tested) { return tested.param.file; });

// The values of E2M1: OCP Microscaling Formats (MX) Specification v1.0, table 5: sign, two bits of
// exponent with bias 1, one bit of fraction; exponent 0 is 0 or 0.5.
double e2m1(int code) {
  const int exponent = code >> 1 & 3, fraction = code & 1;
  const double size = exponent == 0 ? 0.5 * fraction : (1 + 0.5 * fraction) * (1 << (exponent - 1));
  return code & 8 ? -size : size;
}

TEST(DequantizeMxfp4, ValuesAreThoseOfTheSpecification) {
  // Byte i holds code i for value i and code 15 - i for value i + 16.
  Bytes block(17);
  for (int i = 0; i < 16; ++i) block[1 + i] = uint8_t(i | (15 - i) << 4);
  std::vector<float> out(32);
  for (const int exponent : {0, 1, 2, 100, 120, 127, 128, 140, 252}) {
    block[0] = uint8_t(exponent);
    dequantize(TensorType::kMXFP4, block, out);
    for (int i = 0; i < 16; ++i) {
      // The smallest scales' values are below f32's normal numbers: exact as well.
      EXPECT_EQ(out[i], float(std::ldexp(e2m1(i), exponent - 127))) << exponent << " " << i;
      EXPECT_EQ(out[16 + i], float(std::ldexp(e2m1(15 - i), exponent - 127)));
    }
  }
  EXPECT_EQ(e2m1(7), 6.0);  // the largest
  EXPECT_EQ(e2m1(9), -0.5);
}

TEST(DequantizeMxfp4, AScaleOf255IsNoNumber) {
  Bytes block(17, 0x22);
  block[0] = 255;
  std::vector<float> out(32);
  dequantize(TensorType::kMXFP4, block, out);
  for (const float value : out) EXPECT_TRUE(std::isnan(value));
}

TEST(DequantizePlain, F32IsCopiedAndF16IsWidened) {
  const float values[] = {1.5f, -0.25f};
  float out[2];
  dequantize(TensorType::kF32, {reinterpret_cast<const uint8_t*>(values), sizeof values}, out);
  EXPECT_EQ(out[0], 1.5f);
  EXPECT_EQ(out[1], -0.25f);
  const uint16_t halves[] = {0x3C00, 0xC000};
  dequantize(TensorType::kF16, {reinterpret_cast<const uint8_t*>(halves), sizeof halves}, out);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], -2.0f);
}

TEST(DequantizePlain, NoValuesNeedNoBlocks) {
  dequantize(TensorType::kQ4_K, {}, {});
  dequantize(TensorType::kF32, {}, {});
}

TEST(DequantizePlainDeathTest, ABlockThatIsCutShortIsAProgrammersMistake) {
  const std::vector<uint8_t> block(33);
  std::vector<float> out(32);
  EXPECT_DEATH(dequantize(TensorType::kQ8_0, block, out), "blocks.size");
}

}  // namespace
}  // namespace weft::model

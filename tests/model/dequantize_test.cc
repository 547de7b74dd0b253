#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "model/tensor_type.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

struct Case {
  TensorType type;
  const char* file;
};

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

INSTANTIATE_TEST_SUITE_P(
    Types, Dequantize,
    ::testing::Values(Case{TensorType::kBF16, "bf16"}, Case{TensorType::kQ8_0, "q8_0"},
                      Case{TensorType::kQ4_0, "q4_0"}, Case{TensorType::kQ4_K, "q4_k"},
                      Case{TensorType::kQ5_K, "q5_k"}, Case{TensorType::kQ6_K, "q6_k"}),
    [](const auto& tested) { return std::string(tested.param.file); });

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

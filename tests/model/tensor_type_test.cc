#include "model/tensor_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace weft::model {
namespace {

using ::testing::HasSubstr;

TEST(TensorType, EverySupportedNumberComesBackWithItsBlock) {
  const auto q6_k = tensor_type_from_file(14);
  ASSERT_TRUE(q6_k.ok());
  EXPECT_EQ(q6_k->name, "Q6_K");
  EXPECT_EQ(q6_k->block_elements, 256u);
  EXPECT_EQ(q6_k->block_bytes, 210u);
  EXPECT_EQ(all_tensor_types().size(), 25u);
  for (const TensorTypeInfo& listed : all_tensor_types()) {
    const auto info = tensor_type_from_file(uint32_t(listed.type));
    ASSERT_TRUE(info.ok()) << listed.name;
    EXPECT_EQ(info->name, listed.name);
    EXPECT_EQ(tensor_type_info(info->type).name, info->name);
    EXPECT_EQ(tensor_bytes(info->type, 2 * info->block_elements), 2 * info->block_bytes);
  }
}

TEST(TensorType, ATypeOfTheFormatThatIsNotComputedIsNamed) {
  const auto type = tensor_type_from_file(40);
  ASSERT_FALSE(type.ok());
  EXPECT_EQ(type.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(type.error().message, HasSubstr("type NVFP4 is not supported"));
  EXPECT_THAT(type.error().message, HasSubstr("Q4_K, "));
  EXPECT_THAT(type.error().message, HasSubstr(", MXFP4)"));
}

TEST(TensorType, RemovedAndUnknownNumbersAreCorrupt) {
  for (const uint32_t number : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 1000u, 0xFFFFFFFFu}) {
    const auto type = tensor_type_from_file(number);
    ASSERT_FALSE(type.ok()) << number;
    EXPECT_EQ(type.error().code, ErrorCode::kCorrupt) << number;
    EXPECT_THAT(type.error().message, HasSubstr(std::to_string(number)));
  }
}

TEST(Half, EveryHalfSurvivesTheWayToF32AndBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float wide = f16_to_f32(uint16_t(half));
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(wide))));
    } else {
      EXPECT_EQ(f32_to_f16(wide), half);
    }
  }
}

TEST(Half, RoundsToNearestAndToEvenOnATie) {
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), 0x3C00);             // tie, even below
  EXPECT_EQ(f32_to_f16(1.0f + 0x3p-11f), 0x3C02);             // tie, even above
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f + 0x1p-20f), 0x3C01);  // just above the tie
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0x0000);                    // half of the smallest: tie to zero
  EXPECT_EQ(f32_to_f16(0x1.8p-25f), 0x0001);
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7C00);
  EXPECT_EQ(f32_to_f16(-std::numeric_limits<float>::infinity()), 0xFC00);
}

TEST(Bfloat, RoundsToNearestEvenAndKeepsNaN) {
  EXPECT_EQ(bf16_to_f32(0x3F80), 1.0f);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1p-8f), 0x3F80);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x3p-8f), 0x3F82);
  const float quiet_bits_cut_off = std::bit_cast<float>(0x7F800001u);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(quiet_bits_cut_off))));
}

TEST(E8m0, IsAPowerOfTwoAndNoNumberAt255) {
  for (int exponent = 0; exponent < 255; ++exponent) {
    EXPECT_EQ(e8m0_to_f32(uint8_t(exponent)), float(std::ldexp(1.0, exponent - 127)));
  }
  EXPECT_TRUE(std::isnan(e8m0_to_f32(255)));
}

}  // namespace
}  // namespace weft::model

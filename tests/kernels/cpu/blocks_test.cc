#include "kernels/cpu/blocks.h"

#include "model/codebooks.h"
#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

using model::TensorType;

double value(TensorType type, const BlockParts& p, uint32_t i) {
  const double d = model::f16_to_f32(p.d);
  switch (type) {
    case TensorType::kQ5_0:
      return d * (p.codes[i] - 16);
    case TensorType::kQ4_1:
    case TensorType::kQ5_1:
      return d * p.codes[i] + model::f16_to_f32(p.dmin);
    case TensorType::kIQ4_NL:
      return d * model::kIq4Values[p.codes[i]];
    case TensorType::kIQ4_XS:
      return d * (p.scales[i / 32] - 32) * model::kIq4Values[p.codes[i]];
    case TensorType::kMXFP4:
      return 0.5 * model::e8m0_to_f32(uint8_t(p.d)) * model::kFp4Doubled[p.codes[i]];
    case TensorType::kQ8_0:
      return d * int8_t(p.codes[i]);
    case TensorType::kQ4_0:
      return d * (p.codes[i] - 8);
    case TensorType::kQ6_K:
      return d * int8_t(p.scales[i / 16]) * (p.codes[i] - 32);
    default:
      return d * p.scales[i / 32] * p.codes[i] - model::f16_to_f32(p.dmin) * p.mins[i / 32];
  }
}

TEST(Blocks, PartsMeanWhatTheFormatDecodesTo) {
  Random random(test::test_seed(52));
  for (const TensorType type : kAllTypes) {
    const uint32_t elements = model::tensor_type_info(type).block_elements;
    if (!is_quantized(type)) continue;
    for (int round = 0; round < 20; ++round) {
      const Tensor tensor = make_tensor(type, 1, elements, random);
      BlockParts parts;
      read_file_block(type, tensor.data.data(), parts);
      for (uint32_t i = 0; i < elements; ++i) {
        ASSERT_NEAR(value(type, parts, i), tensor.values[i],
                    1e-6 * std::abs(tensor.values[i]) + 1e-6)
            << model::tensor_type_info(type).name << " element " << i;
      }
    }
  }
}

TEST(Blocks, ArePutTogetherAsTheyWere) {
  Random random(test::test_seed(53));
  for (const TensorType type : kAllTypes) {
    if (!is_quantized(type)) continue;
    for (int round = 0; round < 20; ++round) {
      const Tensor tensor =
          make_tensor(type, 1, model::tensor_type_info(type).block_elements, random);
      BlockParts parts;
      read_file_block(type, tensor.data.data(), parts);
      Bytes again(tensor.data.size());
      write_file_block(type, parts, again.data());
      EXPECT_EQ(again, tensor.data) << model::tensor_type_info(type).name;
    }
  }
}

}  // namespace
}  // namespace weft::kernels

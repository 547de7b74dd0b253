#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

using model::TensorType;
constexpr TensorType kTypes[] = {TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kIQ4_NL,
                                 TensorType::kMXFP4, TensorType::kQ4_1, TensorType::kQ5_0,
                                 TensorType::kQ5_1};

TEST(MatmulBlock32, IsExactUpToFloatRoundingWhereInt8HoldsTheActivations) {
  Random random(test::test_seed(12));
  for (const TensorType type : kTypes) {
    for (const auto& [rows, cols, x_rows] :
         {std::tuple{1, 32, 1}, {8, 64, 4}, {9, 96, 2}, {45, 544, 7}, {130, 1024, 3}}) {
      const Tensor tensor = make_tensor(type, rows, cols, random);
      expect_exact_products(tensor, exact_floats(x_rows, cols, random), 2e-6);
    }
  }
}

TEST(MatmulBlock32, ExtremeCodesAndActivationsDoNotSaturate) {
  Random random(test::test_seed(13));
  for (const TensorType type : kTypes) {
    // 0x80 is -128 for Q8_0 and nibbles 0 and 8 for Q4_0; 0x00 is -8 for Q4_0.
    for (const int fill : {0x00, 0x7f, 0x80, 0x81, 0xff}) {
      const Tensor tensor = make_tensor(type, 16, 256, random, fill);
      for (const float value : {127.0f, -127.0f}) {
        expect_exact_products(tensor, std::vector<float>(4 * 256, value), 2e-6);
      }
    }
  }
}

// Also those that f16 does not have, and the least ones, which are no normal floats.
TEST(MatmulBlock32, Mxfp4HasAllItsScales) {
  Tensor tensor{TensorType::kMXFP4, 1, 32, Bytes(17), std::vector<float>(32)};
  for (int i = 0; i < 16; ++i) tensor.data[1 + i] = uint8_t(17 * ((i + 5) % 16));
  std::vector<float> x(32);
  for (int i = 0; i < 32; ++i) x[i] = float(127 - 3 * i);
  for (const KernelTable* table : tables()) {
    const auto backend = cpu_backend(1, *table);
    for (int exponent = 0; exponent <= 255; ++exponent) {
      tensor.data[0] = uint8_t(exponent);
      model::dequantize(tensor.type, tensor.data, tensor.values);
      const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
      const float out = run_matmul(*backend, *weight, x)[0];
      if (exponent == 255) {
        EXPECT_TRUE(std::isnan(out)) << table->name;
      } else if (exponent < 240) {
        EXPECT_EQ(out, multiply(x, tensor)[0]) << table->name << ", scale " << exponent;
        EXPECT_NE(out, 0);
      }
    }
  }
}

}  // namespace
}  // namespace weft::kernels

#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

using model::TensorType;
constexpr TensorType kTypes[] = {TensorType::kQ8_0, TensorType::kQ4_0};

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

}  // namespace
}  // namespace weft::kernels

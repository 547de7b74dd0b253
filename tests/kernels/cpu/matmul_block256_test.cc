#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

using model::TensorType;
constexpr TensorType kTypes[] = {TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K,
                                 TensorType::kIQ4_XS};

TEST(MatmulBlock256, IsExactUpToFloatRoundingWhereInt8HoldsTheActivations) {
  Random random(test::test_seed(14));
  for (const TensorType type : kTypes) {
    for (const auto& [rows, cols, x_rows] :
         {std::tuple{1, 256, 1}, {8, 512, 4}, {13, 768, 2}, {70, 2048, 7}}) {
      const Tensor tensor = make_tensor(type, rows, cols, random);
      expect_exact_products(tensor, exact_floats(x_rows, cols, random), 2e-6);
    }
  }
}

TEST(MatmulBlock256, ExtremeCodesScalesAndActivationsDoNotSaturate) {
  Random random(test::test_seed(15));
  for (const TensorType type : kTypes) {
    for (const int fill : {0x00, 0x7f, 0x80, 0xff}) {
      const Tensor tensor = make_tensor(type, 16, 512, random, fill);
      for (const float value : {127.0f, -127.0f}) {
        expect_exact_products(tensor, std::vector<float>(4 * 512, value), 2e-6);
      }
    }
  }
}

}  // namespace
}  // namespace weft::kernels

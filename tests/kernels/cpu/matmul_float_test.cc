#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

using model::TensorType;

TEST(MatmulFloat, IsWithinFloatRoundingOfDoublesForAnyShape) {
  Random random(test::test_seed(11));
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16}) {
    for (const auto& [rows, cols, x_rows] :
         {std::tuple{1, 1, 1}, {8, 2, 1}, {9, 33, 2}, {37, 131, 5}, {64, 256, 3}, {300, 1023, 9}}) {
      const Tensor tensor = make_tensor(type, rows, cols, random);
      expect_exact_products(tensor, random_floats(size_t(x_rows) * cols, random), 2e-6);
    }
  }
}

}  // namespace
}  // namespace weft::kernels

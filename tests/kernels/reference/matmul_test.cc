#include "kernels/reference/matmul.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::kernels::reference {
namespace {

TEST(ReferenceMatmul, MultipliesEveryRowWithEveryWeightRow) {
  const std::vector<float> x = {1, 2, 3, -1, 0, 1};                        // [2, 3]
  const std::vector<float> weight = {1, 0, 0, 0, 1, 0, 1, 1, 1, 2, 0, 1};  // [4, 3]
  std::vector<float> out(8);
  matmul(out, x, weight, 3);
  EXPECT_EQ(out, (std::vector<float>{1, 2, 6, 5, -1, 0, 0, -1}));
}

TEST(ReferenceMatmul, SumsInDoublePrecision) {
  const std::vector<float> x = {1e10f, 1, -1e10f};
  const std::vector<float> weight = {1, 1, 1};
  std::vector<float> out(1);
  matmul(out, x, weight, 3);
  EXPECT_EQ(out[0], 1.0f);
}

}  // namespace
}  // namespace weft::kernels::reference

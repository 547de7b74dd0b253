#include "kernels/reference/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace weft::kernels::reference {
namespace {

TEST(ReferenceSwiglu, GatesByTheSigmoidLinearUnit) {
  const std::vector<float> up = {2, 3, 4};
  std::vector<float> gate = {0, 1, -1};
  glu(model::Activation::kSilu, gate, gate, up);  // in place
  EXPECT_EQ(gate[0], 0);
  EXPECT_FLOAT_EQ(gate[1], float(3 / (1 + std::exp(-1.0))));
  EXPECT_FLOAT_EQ(gate[2], float(-4 / (1 + std::exp(1.0))));
}

TEST(ReferenceSwiglu, FarGatesNeitherOverflowNorTurnToNan) {
  const std::vector<float> gate = {1e30f, -1e30f}, up = {1, 1};
  std::vector<float> out(2);
  glu(model::Activation::kSilu, out, gate, up);
  EXPECT_EQ(out[0], 1e30f);
  EXPECT_EQ(out[1], 0);
}

TEST(ReferenceAdd, AddsInPlace) {
  std::vector<float> x = {1, 2};
  const std::vector<float> y = {0.5f, -4};
  add(x, y);
  EXPECT_EQ(x, (std::vector<float>{1.5f, -2}));
}

}  // namespace
}  // namespace weft::kernels::reference

#include "kernels/reference/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace weft::kernels::reference {
namespace {

TEST(ReferenceRmsNorm, DividesByTheRootMeanSquareAndMultipliesByTheWeight) {
  const std::vector<float> x = {3, 4, 0, 0, 1, 1, 1, 1};  // mean squares 6.25 and 1
  const std::vector<float> weight = {1, 2, 3, 4};
  std::vector<float> out(8);
  rms_norm(out, x, weight, 0);
  EXPECT_FLOAT_EQ(out[0], 3 / 2.5f);
  EXPECT_FLOAT_EQ(out[1], 4 / 2.5f * 2);
  EXPECT_EQ(out[2], 0);
  EXPECT_FLOAT_EQ(out[4], 1);
  EXPECT_FLOAT_EQ(out[7], 4);
}

TEST(ReferenceRmsNorm, EpsilonIsAddedToTheMeanSoZerosStayZeros) {
  const std::vector<float> weight = {1, 1};
  std::vector<float> values = {0, 0, 1, 1};
  rms_norm(values, values, weight, 3.0f);  // in place
  EXPECT_EQ(values[0], 0);
  EXPECT_FLOAT_EQ(values[2], 0.5f);
}

}  // namespace
}  // namespace weft::kernels::reference

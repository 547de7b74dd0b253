#include "kernels/reference/experts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/backend.h"

namespace weft::kernels::reference {
namespace {

TEST(ChooseExperts, TakesTheLargestWithTheSoftmaxOfTheseOnly) {
  std::vector<float> choice(4);
  choose_experts(choice, std::vector<float>{1, 3, -5, 2});
  EXPECT_EQ(choice[0], 1);
  EXPECT_EQ(choice[1], 3);
  EXPECT_FLOAT_EQ(choice[2], float(1 / (1 + std::exp(-1.0))));
  EXPECT_FLOAT_EQ(choice[2] + choice[3], 1);
}

TEST(ChooseExperts, OfEqualOnesTheLowerNumberAndNothingBeforeANumber) {
  std::vector<float> choice(6);
  choose_experts(choice, std::vector<float>{NAN, 2, -INFINITY, 2, 2});
  EXPECT_EQ(std::vector<float>(choice.begin(), choice.begin() + 3), (std::vector<float>{1, 3, 4}));
  EXPECT_FLOAT_EQ(choice[5], 1.0f / 3);
}

TEST(ExpertRows, FindTheExpertOfEachRowsChoice) {
  const std::vector<float> choice = {2, 0, 0.5f, 0.5f, 1, 2, 0.5f, 0.5f};
  const ExpertRows rows{2, 3, 2};
  EXPECT_EQ(rows.chosen(choice, 0), 2u);
  EXPECT_EQ(rows.chosen(choice, 1), 0u);
  EXPECT_EQ(rows.chosen(choice, 2), 1u);
  EXPECT_EQ(rows.chosen(choice, 3), 2u);
}

}  // namespace
}  // namespace weft::kernels::reference

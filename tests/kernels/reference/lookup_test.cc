#include "kernels/reference/lookup.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::kernels::reference {
namespace {

TEST(ReferenceGatherRows, CopiesRowsInTheOrderAsked) {
  const std::vector<float> from = {0, 1, 10, 11, 20, 21};
  const uint32_t indices[] = {2, 0, 2};
  std::vector<float> to(6);
  gather_rows(to, from, 2, indices);
  EXPECT_EQ(to, (std::vector<float>{20, 21, 0, 1, 20, 21}));
}

TEST(ReferenceGatherRowsDeathTest, AnIndexBeyondTheRowsEndsTheProgram) {
  const std::vector<float> from = {0, 1};
  const uint32_t indices[] = {1};
  std::vector<float> to(2);
  EXPECT_DEATH(gather_rows(to, from, 2, indices), "indices");
}

}  // namespace
}  // namespace weft::kernels::reference

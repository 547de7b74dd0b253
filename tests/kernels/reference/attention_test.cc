#include "kernels/reference/attention.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft::kernels::reference {
namespace {

TEST(ReferenceAttention, OnePositionGivesItsValueWhateverTheScore) {
  const std::vector<float> q = {5, -3}, key = {100, 7}, value = {0.25f, -4};
  std::vector<float> out(2);
  attention_row(out, q, key, value, {}, {1, 1, 2, 1.0f});
  EXPECT_EQ(out, value);
}

TEST(ReferenceAttention, WeighsValuesByTheSoftmaxOfScaledScores) {
  const std::vector<float> q = {2}, keys = {0, 1}, values = {10, 20};
  std::vector<float> out(1);
  attention_row(out, q, keys, values, {}, {1, 1, 1, 0.5f});  // scores 0 and 1
  const double e = std::exp(1.0);
  EXPECT_FLOAT_EQ(out[0], float((10 + 20 * e) / (1 + e)));
}

TEST(ReferenceAttention, GroupsOfHeadsShareAKvHead) {
  const std::vector<float> q = {1, 1, 1, 1};                // 4 heads of 1
  const std::vector<float> keys = {0, 0}, values = {7, 9};  // 1 position, 2 kv heads
  std::vector<float> out(4);
  attention_row(out, q, keys, values, {}, {4, 2, 1, 1.0f});
  EXPECT_EQ(out, (std::vector<float>{7, 7, 9, 9}));
}

TEST(ReferenceAttention, HugeScoresDoNotOverflow) {
  const std::vector<float> q = {1e4f}, keys = {1e4f, 1e4f, -1e4f}, values = {1, 3, 1000};
  std::vector<float> out(1);
  attention_row(out, q, keys, values, {}, {1, 1, 1, 1.0f});
  EXPECT_FLOAT_EQ(out[0], 2);
}

}  // namespace
}  // namespace weft::kernels::reference

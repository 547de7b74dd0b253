#include "kernels/cpu/best_logits.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "base/sampling.h"
#include "kernels/reference/best_logits.h"
#include "tests/support/support.h"

namespace weft::kernels {
namespace {

// Bits, since some are no numbers.
std::vector<uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

TEST(BestOfRow, IsTheReferencesForAnySizeAndManyEqualOnes) {
  Random random(test::test_seed(91));
  for (const size_t size : {size_t{1}, size_t{2}, size_t{65}, size_t{1000}, size_t{50'257}}) {
    for (const int levels : {3, 1 << 20}) {
      std::vector<float> logits(size);
      for (float& logit : logits) {
        logit = float(std::floor(random.normal() * levels)) / float(levels);
      }
      for (const size_t count : {size_t{1}, size_t{2}, size_t{40}, kBestLogitsMax}) {
        if (count > size) continue;
        std::vector<float> got(2 * count), expected(2 * count);
        best_of_row(got, logits);
        reference::best_logits(expected, logits);
        EXPECT_EQ(bits_of(got), bits_of(expected)) << size << " " << count;
      }
    }
  }
}

TEST(BestOfRow, FindsTheFirstThatIsNoNumber) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float all[] = {1, kInfinity, NAN, -kInfinity, -0.0f, 0.0f, 1e-42f, 3e38f};
  Random random(test::test_seed(92));
  for (const size_t size : {size_t{9}, size_t{128}, size_t{1000}}) {
    for (int round = 0; round < 200; ++round) {
      // Few of them are special, in the longer ones, so that most blocks hold nothing better.
      std::vector<float> logits(size);
      for (float& logit : logits) {
        logit = random.below(size) < 9 ? all[random.below(8)] : -1 - float(random.below(3));
      }
      std::vector<float> got(8), expected(8);
      best_of_row(got, logits);
      reference::best_logits(expected, logits);
      EXPECT_EQ(bits_of(got), bits_of(expected)) << size << " " << round;
    }
  }
}

}  // namespace
}  // namespace weft::kernels

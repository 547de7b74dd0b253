// Two thousand small lies about a valid file. Deeper search is the fuzzer's:
// tests/fuzz/gguf_fuzz.cc.
#include <gtest/gtest.h>

#include <ctime>

#include "base/file.h"
#include "base/random.h"
#include "tests/model/gguf_bytes.h"
#include "tests/model/gguf_exercise.h"
#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

constexpr int kMutations = 2000;

// One of: a random byte, a flipped bit, a telling number over eight bytes, a cut, a moved run.
void mutate(Bytes& bytes, size_t header_bytes, Random& random) {
  constexpr uint64_t kNumbers[] = {0,
                                   1,
                                   31,
                                   255,
                                   0x7FFFFFFF,
                                   0xFFFFFFFF,
                                   uint64_t{1} << 32,
                                   INT64_MAX,
                                   UINT64_MAX,
                                   uint64_t{1} << 63};
  const size_t at = random.below(header_bytes - 8);
  switch (random.below(5)) {
    case 0:
      bytes[at] = uint8_t(random.next());
      break;
    case 1:
      bytes[at] ^= uint8_t(1 << random.below(8));
      break;
    case 2:
      std::memcpy(&bytes[at], &kNumbers[random.below(std::size(kNumbers))], 8);
      break;
    case 3:
      std::memcpy(&bytes[at], &kNumbers[random.below(std::size(kNumbers))], 4);
      break;
    default:
      std::memmove(&bytes[at], &bytes[random.below(header_bytes - 8)], 8);
      break;
  }
}

TEST(MutatedGguf, NeverCrashesAndNeverTakesLong) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "m.gguf";
  SmallModel().write(path);
  ASSERT_TRUE(exercise_gguf(path));
  const Bytes valid = *read_file(path, 1 << 24);
  const size_t header_bytes = GgufFile::open(path)->header().size();

  Random random(test::test_seed(20261121));
  int still_models = 0;
  std::clock_t slowest = 0;  // of the processor's time: a busy machine is not a slow parser
  for (int i = 0; i < kMutations; ++i) {
    Bytes bytes = valid;
    for (uint64_t n = random.below(4) + 1; n > 0; --n) mutate(bytes, header_bytes, random);
    if (random.below(8) == 0) bytes.resize(random.below(bytes.size()) + 1);
    write_bytes(path, bytes);
    const std::clock_t begin = std::clock();
    still_models += exercise_gguf(path);
    slowest = std::max(slowest, std::clock() - begin);
  }
  EXPECT_GT(still_models, 0);
  EXPECT_LT(still_models, kMutations);
  EXPECT_LT(slowest, std::clock_t{CLOCKS_PER_SEC});
}

}  // namespace
}  // namespace weft::model

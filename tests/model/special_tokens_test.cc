#include "model/special_tokens.h"

#include <gtest/gtest.h>

#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

// User-defined tokens "<", "<<", "<<a" and a control token "<c>".
Vocabulary small_vocabulary() {
  SmallModel small;
  small.tokens = {"<", "<<", "<<a", "<c>", "x"};
  small.kinds = {4, 4, 4, 3, 1};
  small.numbers["tokenizer.ggml.bos_token_id"] = 3;
  small.numbers["tokenizer.ggml.eos_token_id"] = 3;
  const test::TemporaryFolder folder;
  small.write(folder / "m");
  auto vocabulary = Vocabulary::read(*GgufFile::open(folder / "m"));
  WEFT_ASSERT(vocabulary.ok());
  return std::move(*vocabulary);
}

TEST(SpecialTokens, TheLongestAtTheFirstPlaceIsFound) {
  const Vocabulary vocabulary = small_vocabulary();
  const SpecialTokens specials(vocabulary, false);
  const auto next = [&](std::string_view text, size_t from) {
    return specials.next(vocabulary, text, from);
  };
  EXPECT_EQ(next("xx<<ab", 0).token, 2);
  EXPECT_EQ(next("xx<<ab", 0).begin, 2u);
  EXPECT_EQ(next("xx<<ab", 0).bytes, 3u);
  EXPECT_EQ(next("xx<<b", 0).token, 1);
  EXPECT_EQ(next("xx<<b", 3).token, 0);
  EXPECT_EQ(next("xx<<b", 4).bytes, 0u);
  EXPECT_EQ(next("xx<<b", 4).begin, 5u);
  EXPECT_EQ(next("", 0).bytes, 0u);
}

TEST(SpecialTokens, ControlTokensAreFoundOnlyWhereAllowed) {
  const Vocabulary vocabulary = small_vocabulary();
  EXPECT_EQ(SpecialTokens(vocabulary, false).next(vocabulary, "<c>", 0).token, 0);
  EXPECT_EQ(SpecialTokens(vocabulary, true).next(vocabulary, "<c>", 0).token, 3);
}

}  // namespace
}  // namespace weft::model

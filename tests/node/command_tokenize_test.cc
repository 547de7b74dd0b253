#include "node/command_tokenize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TokenIds, AreReadWithAnyOfTheUsualSeparators) {
  for (const char* text : {"1,2,3", "[1, 2, 3]", "1 2 3\n", " 1,\n2\t3,"}) {
    const auto tokens = parse_token_ids(text);
    ASSERT_TRUE(tokens.ok()) << tokens.error().message;
    EXPECT_THAT(*tokens, ElementsAre(1, 2, 3)) << text;
  }
  EXPECT_THAT(*parse_token_ids(""), IsEmpty());
}

TEST(TokenIds, AreRefusedWhereTheyAreNoNumbers) {
  for (const char* text : {"x", "1,-2", "1,2.5", "99999999999", "4294967296"}) {
    const auto tokens = parse_token_ids(text);
    ASSERT_FALSE(tokens.ok()) << text;
    EXPECT_EQ(tokens.error().code, ErrorCode::kInvalid);
  }
}

TEST(TokenIds, ComeFromAFileWithAnAtSign) {
  test::TemporaryFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "ids", as_bytes("7 8\n")).ok());
  const auto tokens = read_token_ids("@" + (folder / "ids"));
  ASSERT_TRUE(tokens.ok()) << tokens.error().message;
  EXPECT_THAT(*tokens, ElementsAre(7, 8));
  EXPECT_EQ(read_token_ids("@" + (folder / "none")).error().code, ErrorCode::kNotFound);
}

TEST(TokenIds, ArePrintedAsAJsonList) {
  EXPECT_EQ(token_list({}), "[]");
  EXPECT_EQ(token_list({1, 2, 3}), "[1, 2, 3]");
}

TEST(Tokenize, GoesThereAndBack) {
  test::TemporaryFolder folder;
  model::SmallModel().write(folder / "m.gguf");
  ::testing::internal::CaptureStdout();
  TokenizeOptions options;
  options.model_path = folder / "m.gguf";
  options.text = "hello there";
  options.no_bos = true;
  const auto done = tokenize_text(options);
  const std::string ids = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_THAT(ids, HasSubstr("[259, "));

  ::testing::internal::CaptureStdout();
  const auto back = detokenize_ids({folder / "m.gguf", ids, "", false, false});
  const std::string text = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(text.substr(0, 11), "hello there");
}

TEST(Detokenize, RefusesATokenBeyondTheVocabulary) {
  test::TemporaryFolder folder;
  model::SmallModel().write(folder / "m.gguf");
  const auto done = detokenize_ids({folder / "m.gguf", "1,264", "", false, false});
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("264"));
}

}  // namespace
}  // namespace weft::node

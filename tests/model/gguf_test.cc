#include "model/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/gguf_bytes.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class GgufMetadata : public ::testing::Test {
 protected:
  GgufFile open(const GgufBytes& bytes) {
    write_bytes(folder_ / "m", bytes.bytes());
    auto file = GgufFile::open(folder_ / "m");
    WEFT_ASSERT(file.ok());
    return std::move(*file);
  }
  test::TemporaryFolder folder_;
};

TEST_F(GgufMetadata, WholeNumbersOfAnyTypeAreConvertedIfTheyFit) {
  const GgufFile file = open(GgufBytes()
                                 .header(0, 6)
                                 .key("u8", GgufType::kU8, uint8_t{200})
                                 .key("i8", GgufType::kI8, int8_t{-3})
                                 .key("u64", GgufType::kU64, UINT64_MAX)
                                 .key("i64", GgufType::kI64, int64_t{5})
                                 .key("f32", GgufType::kF32, 0.5f)
                                 .key("bool", GgufType::kBool, uint8_t{1}));
  EXPECT_EQ(*file.u64("u8"), 200u);
  EXPECT_EQ(*file.u64("u64"), UINT64_MAX);
  EXPECT_EQ(*file.u64("i64"), 5u);
  EXPECT_EQ(*file.f64("i8"), -3.0);
  EXPECT_EQ(*file.f64("f32"), 0.5);
  EXPECT_TRUE(*file.boolean("bool"));
  EXPECT_THAT(file.u64("i8").error().message, HasSubstr("is -3, it must not be negative"));
  EXPECT_EQ(file.u64("f32").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file.boolean("u8").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file.text("u8").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file.u64("none").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(file.has("none"));
}

TEST_F(GgufMetadata, ArraysAreReadAndTheirTypeIsChecked) {
  const GgufFile file = open(GgufBytes()
                                 .header(0, 4)
                                 .array("texts", GgufType::kText, 2)
                                 .text("one")
                                 .text("")
                                 .array("floats", GgufType::kF32, 2)
                                 .number(1.5f)
                                 .number(-2.0f)
                                 .array("bytes", GgufType::kI8, 2)
                                 .number(int8_t{-1})
                                 .number(int8_t{7})
                                 .array("large", GgufType::kU64, 1)
                                 .number(UINT64_MAX));
  EXPECT_THAT(*file.texts("texts"), ElementsAre("one", ""));
  EXPECT_THAT(*file.floats("floats"), ElementsAre(1.5f, -2.0f));
  EXPECT_THAT(*file.integers("bytes"), ElementsAre(-1, 7));
  EXPECT_EQ(*file.array_size("texts"), 2u);
  EXPECT_THAT(file.integers("large").error().message, HasSubstr("too large"));
  EXPECT_THAT(file.floats("bytes").error().message,
              HasSubstr("metadata bytes is an array of i8, it must be an array of f32 or f64"));
  EXPECT_EQ(file.texts("floats").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file.u64("bytes").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file.array_size("none").error().code, ErrorCode::kNotFound);
}

TEST_F(GgufMetadata, DescriptionsAreShortAndPrintable) {
  const GgufFile file = open(GgufBytes()
                                 .header(0, 3)
                                 .text_key("a\x1b[2J", "line\nfeed")
                                 .array("many", GgufType::kU8, 20)
                                 .zeros(20)
                                 .key("n", GgufType::kI32, int32_t{-4}));
  EXPECT_THAT(file.describe(),
              ElementsAre(Pair("a?[2J", "line?feed"), Pair("many", "[20 u8] 0 0 0 0 0 0 0 0 ..."),
                          Pair("n", "-4")));
}

TEST_F(GgufMetadata, TensorsAreFoundByNameAndViewedInPlace) {
  const GgufFile file = open(GgufBytes()
                                 .header(2, 0)
                                 .tensor("b", {2, 3}, 0, 0)
                                 .tensor("a", {32}, 8, 32)
                                 .pad_to(32)
                                 .number(1.0f)
                                 .zeros(28 + 34));
  ASSERT_NE(file.find("b"), nullptr);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(file.find("b")->elements, 6u);
  EXPECT_EQ(file.find("a")->bytes, 34u);
  EXPECT_EQ(file.tensors()[0].name, "b");
  EXPECT_EQ(file.data(*file.find("b")).size(), 24u);
  EXPECT_EQ(file.data(*file.find("b"))[3], 0x3F);
  EXPECT_EQ(file.file_bytes() % 32, 2u);
  EXPECT_LT(file.header().size(), file.find("b")->offset);
}

TEST_F(GgufMetadata, AFileThatIsMissingOrAFolderIsSaid) {
  EXPECT_EQ(GgufFile::open(folder_ / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(GgufFile::open(folder_.path()).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace weft::model

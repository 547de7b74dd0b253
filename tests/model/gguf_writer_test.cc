#include "model/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "model/gguf.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::ElementsAre;

TEST(GgufWriter, WritesWhatTheReaderReads) {
  const test::TemporaryFolder folder;
  GgufWriter writer;
  writer.u32("n", 7);
  writer.f32("f", 0.5f);
  writer.boolean("b", true);
  writer.text("t", "text");
  writer.texts("ts", std::vector<std::string>{"a", "bc"});
  writer.floats("fs", std::vector<float>{1, 2});
  writer.integers("is", std::vector<int32_t>{-1, 3});
  writer.tensor("x", TensorType::kF32, {3});
  writer.tensor("y", TensorType::kQ8_0, {32, 2});
  ASSERT_TRUE(writer.open(folder / "m").ok());
  const Bytes data(12 + 68, 9);
  ASSERT_TRUE(writer.write(ByteView(data).first(5)).ok());  // pieces need not end with a tensor
  ASSERT_TRUE(writer.write(ByteView(data).subspan(5)).ok());
  ASSERT_TRUE(writer.finish().ok());

  const auto file = GgufFile::open(folder / "m");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(*file->u64("n"), 7u);
  EXPECT_EQ(*file->f64("f"), 0.5);
  EXPECT_TRUE(*file->boolean("b"));
  EXPECT_EQ(*file->text("t"), "text");
  EXPECT_THAT(*file->texts("ts"), ElementsAre("a", "bc"));
  EXPECT_THAT(*file->floats("fs"), ElementsAre(1, 2));
  EXPECT_THAT(*file->integers("is"), ElementsAre(-1, 3));
  EXPECT_EQ(file->file_bytes(), writer.file_bytes());
  const Bytes header = writer.header();
  EXPECT_TRUE(
      std::equal(header.begin(), header.end(), file->header().begin(), file->header().end()));
  for (const GgufTensor& tensor : file->tensors()) {
    EXPECT_THAT(file->data(tensor), ::testing::Each(9));
  }
  EXPECT_EQ(writer.data_bytes(), 80u);
}

TEST(GgufWriter, AnUnfinishedFileLeavesTheOldOneAndNothingElse) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "m", as_bytes("old")).ok());
  {
    GgufWriter writer;
    writer.tensor("x", TensorType::kF32, {3});
    ASSERT_TRUE(writer.open(folder / "m").ok());
    EXPECT_TRUE(std::filesystem::exists(folder / "m.part"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "m.part"));
  EXPECT_EQ(read_file(folder / "m", 100)->size(), 3u);
}

}  // namespace
}  // namespace weft::model

#include "node/model_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ModelPath : public ::testing::Test {
 protected:
  void put(const std::string& name) {
    ASSERT_TRUE(write_file_atomic(folder_ / name, as_bytes("x")).ok());
  }
  test::TemporaryFolder folder_;
};

TEST_F(ModelPath, TakesAFileAsItIs) {
  put("any name");
  const auto found = find_model(folder_ / "any name", {});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, folder_ / "any name");
}

TEST_F(ModelPath, FindsANameInTheFolders) {
  put("llama-tiny.gguf");
  for (const char* name : {"llama-tiny", "llama-tiny.gguf"}) {
    const auto found = find_model(name, {"/nowhere", folder_.path()});
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_EQ(*found, folder_ / "llama-tiny.gguf");
  }
}

TEST_F(ModelPath, ListsTheNamesThatAreNear) {
  put("llama-tiny.gguf");
  put("something-else.gguf");
  const auto found = find_model("lama-tiny", {folder_.path()});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message, HasSubstr("Did you mean llama-tiny?"));
  EXPECT_THAT(found.error().message, Not(HasSubstr("something-else")));
}

TEST_F(ModelPath, ListsWhatThereIsBesideAPathThatIsNot) {
  put("weft-tiny.gguf");
  const auto found = find_model(folder_ / "missing.gguf", {});
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.error().message, HasSubstr("weft-tiny.gguf"));
  EXPECT_THAT(found.error().message, HasSubstr("--model-dir"));
}

TEST_F(ModelPath, RefusesAFolderAndNamesItsModels) {
  put("weft-tiny.gguf");
  const auto found = find_model(folder_.path(), {});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(found.error().message, HasSubstr("is a folder with the models weft-tiny"));
}

TEST_F(ModelPath, DoesNotTakeAFetchedPartForAModel) {
  put("0123.gguf");
  put("0123.have");
  put("whole.gguf");
  EXPECT_THAT(models_in(folder_.path()), ElementsAre("whole"));
  EXPECT_FALSE(find_model("0123", {folder_.path()}).ok());
}

TEST_F(ModelPath, HasNoModelsInAFolderThatIsNot) {
  EXPECT_THAT(models_in(folder_ / "none"), IsEmpty());
}

TEST(NearNames, TakesSlipsAndPartsAndNothingElse) {
  EXPECT_THAT(near_names("lama-3", {"llama-3", "qwen", "LLAMA-3"}),
              ElementsAre("LLAMA-3", "llama-3"));
  EXPECT_THAT(near_names("tiny", {"weft-tiny", "large"}), ElementsAre("weft-tiny"));
  EXPECT_THAT(near_names("", {"a"}), IsEmpty());
}

TEST(ModelName, IsTheFilesNameWithoutItsEnding) {
  EXPECT_EQ(model_name("/a/b/weft-tiny.gguf"), "weft-tiny");
  EXPECT_EQ(model_name("weft-tiny"), "weft-tiny");
}

}  // namespace
}  // namespace weft::node

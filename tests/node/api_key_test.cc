#include "node/api_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

TEST(ApiKey, IsTheFilesTextWithoutWhiteSpaceAtItsEnds) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "key", as_bytes("\n secret-3\r\n"), 0600).ok());
  EXPECT_EQ(*read_api_key(folder / "key"), "secret-3");
  EXPECT_EQ(read_api_key(folder / "none").error().code, ErrorCode::kNotFound);
}

TEST(ApiKey, OfAFileThatOthersMayReadIsRefusedWithWhatPutsItRight) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "key";
  ASSERT_TRUE(write_file_atomic(path, as_bytes("secret"), 0600).ok());
  for (const mode_t mode : {0644, 0640, 0604, 0620, 0601}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto key = read_api_key(path);
    ASSERT_FALSE(key.ok()) << mode;
    EXPECT_EQ(key.error().code, ErrorCode::kDenied);
    EXPECT_THAT(key.error().message, HasSubstr("chmod 600 '" + path));
  }
  for (const mode_t mode : {0600, 0400, 0700}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_TRUE(read_api_key(path).ok()) << mode;
  }
  // What is no plain file is a pipe of the caller's, as a shell's <(...): no one else reads it.
  EXPECT_EQ(*read_api_key("/dev/null"), "");
}

}  // namespace
}  // namespace weft::node

#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <filesystem>

#include "tests/support/support.h"

namespace weft {
namespace {

TEST(File, ReadsBackWhatWasWritten) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "f", as_bytes("hello"), 0600).ok());
  EXPECT_EQ(as_text(*read_file(folder / "f", 100)), "hello");
  struct stat facts {};
  ASSERT_EQ(::stat((folder / "f").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST(File, AFailedWriteLeavesTheOldContentAndNoLitter) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "target");  // a folder cannot be replaced by a file
  EXPECT_FALSE(write_file_atomic(folder / "target", as_bytes("new")).ok());
  int entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    ++entries;
  }
  EXPECT_EQ(entries, 1);
}

TEST(File, AWaitIsRoundedUpToMillisecondsAndNeverNegative) {
  EXPECT_EQ(poll_milliseconds(std::chrono::nanoseconds(-1)), 0);
  EXPECT_EQ(poll_milliseconds(Duration::min()), 0);
  EXPECT_EQ(poll_milliseconds(Duration(0)), 0);
  EXPECT_EQ(poll_milliseconds(std::chrono::nanoseconds(1)), 1);
  EXPECT_EQ(poll_milliseconds(std::chrono::milliseconds(7)), 7);
  EXPECT_EQ(poll_milliseconds(Duration::max()), INT_MAX);
}

TEST(File, ReadingHasALimitAndNamesThePath) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "f", Bytes(200000)).ok());
  EXPECT_EQ(read_file(folder / "f", 100).error().code, ErrorCode::kExhausted);
  const auto missing = read_file(folder / "none", 100);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find("none"), std::string::npos);
}

TEST(File, MakesFoldersWithTheirParents) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(make_folder(folder / "a/b", 0700).ok());
  EXPECT_TRUE(make_folder(folder / "a/b", 0700).ok());
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b"));
}

TEST(File, DescriptorsCloseThemselvesOnce) {
  const int raw = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    FileDescriptor first(raw);
    FileDescriptor second(std::move(first));
    EXPECT_FALSE(first.valid());  // NOLINT: what is left after the move is the point
    EXPECT_EQ(second.get(), raw);
  }
  EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
}

TEST(File, WaitsForTheFirstReadableDescriptorOrTheTime) {
  int first[2], second[2];
  ASSERT_EQ(::pipe2(first, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(second, O_CLOEXEC), 0);
  const FileDescriptor ends[] = {FileDescriptor(first[0]), FileDescriptor(first[1]),
                                 FileDescriptor(second[0]), FileDescriptor(second[1])};
  const int both[] = {first[0], second[0]};
  EXPECT_FALSE(wait_readable(both, Duration(0)));
  const Time before = SystemClock().now();
  EXPECT_FALSE(wait_readable(both, milliseconds(20)));
  EXPECT_GE(SystemClock().now() - before, milliseconds(20));
  ASSERT_EQ(::write(second[1], "x", 1), 1);
  EXPECT_TRUE(wait_readable(both, seconds(20)));
  EXPECT_FALSE(wait_readable({both, 1}, milliseconds(-5)));
}

TEST(File, SystemErrorsKeepTheirKind) {
  EXPECT_EQ(system_error("open", "x", EACCES).code, ErrorCode::kDenied);
  EXPECT_EQ(system_error("listen", "x", EADDRINUSE).code, ErrorCode::kConflict);
  EXPECT_EQ(system_error("write", "x", ENOSPC).code, ErrorCode::kIo);
}

}  // namespace
}  // namespace weft

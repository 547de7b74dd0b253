#include "crypto/private_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

namespace fs = std::filesystem;
using test::fails_with;
using test::unwrap;

mode_t mode_of(const std::string& path) {
  struct stat status;
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

class PrivateFolders : public ::testing::Test {
 protected:
  PrivateFolders() : folder_(unwrap(PrivateFolder::open(path_))) { write("key", "old"); }

  void write(std::string_view name, std::string_view content) {
    const FolderLock lock = unwrap(folder_.lock());
    ASSERT_TRUE(folder_.write(lock, name, as_bytes(content)).ok());
  }
  std::string read(std::string_view name) {
    return std::string(as_text(unwrap(folder_.read(name, 100))));
  }

  weft::test::TemporaryFolder temporary_;
  const std::string path_ = temporary_ / "data/trust";
  PrivateFolder folder_;
};

TEST_F(PrivateFolders, KeepFolderAndFilesToTheirOwner) {
  EXPECT_EQ(mode_of(path_), 0700u);
  EXPECT_EQ(mode_of(path_ + "/key"), 0600u);
  EXPECT_EQ(read("key"), "old");
  EXPECT_TRUE(PrivateFolder::open(path_ + "//").ok());
}

TEST_F(PrivateFolders, AWideUmaskMakesNoDifference) {
  const mode_t before = ::umask(0);
  write("wide", "x");
  const std::string other = temporary_ / "other";
  EXPECT_TRUE(PrivateFolder::open(other).ok());
  ::umask(before);
  EXPECT_EQ(mode_of(path_ + "/wide"), 0600u);
  EXPECT_EQ(mode_of(other), 0700u);
}

TEST_F(PrivateFolders, AKeyThatOthersMayReadIsRefusedWithTheRemedy) {
  ASSERT_EQ(::chmod((path_ + "/key").c_str(), 0644), 0);
  const auto wide = folder_.read("key", 100);
  EXPECT_TRUE(fails_with(wide, ErrorCode::kDenied, "has mode 0644"));
  EXPECT_TRUE(fails_with(wide, ErrorCode::kDenied, "chmod 600 '" + path_ + "/key'"));
  EXPECT_TRUE(fails_with(folder_.read_secret<3>("key"), ErrorCode::kDenied, "chmod 600"));
}

TEST_F(PrivateFolders, AFolderThatOthersMayEnterIsRefusedWithTheRemedy) {
  ASSERT_EQ(::chmod(path_.c_str(), 0750), 0);
  EXPECT_TRUE(
      fails_with(PrivateFolder::open(path_), ErrorCode::kDenied, "chmod 700 '" + path_ + "'"));
}

TEST_F(PrivateFolders, AnotherOwnerIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "skipped: only root can give a file away";
  ASSERT_EQ(::chown((path_ + "/key").c_str(), 12345, 12345), 0);
  EXPECT_TRUE(fails_with(folder_.read("key", 100), ErrorCode::kDenied, "belongs to user 12345"));
  ASSERT_EQ(::chown(path_.c_str(), 12345, 12345), 0);
  EXPECT_TRUE(fails_with(PrivateFolder::open(path_), ErrorCode::kDenied, "chown"));
}

TEST_F(PrivateFolders, LinksAreNotFollowed) {
  fs::create_symlink(path_ + "/key", path_ + "/link");
  EXPECT_TRUE(fails_with(folder_.read("link", 100), ErrorCode::kDenied, "is a link"));
  fs::create_directory_symlink(path_, temporary_ / "linked");
  EXPECT_TRUE(
      fails_with(PrivateFolder::open(temporary_ / "linked"), ErrorCode::kDenied, "is a link"));
  EXPECT_TRUE(
      fails_with(PrivateFolder::open(temporary_ / "linked/"), ErrorCode::kDenied, "is a link"));
  fs::remove(path_ + "/trust.lock");
  fs::create_symlink(temporary_ / "elsewhere", path_ + "/trust.lock");
  EXPECT_TRUE(fails_with(folder_.lock(), ErrorCode::kDenied, "is a link"));
  EXPECT_FALSE(fs::exists(temporary_ / "elsewhere"));
}

TEST_F(PrivateFolders, AWriteReplacesALinkAndLeavesItsTargetAlone) {
  const std::string target = temporary_ / "target";
  ASSERT_TRUE(write_file_atomic(target, as_bytes("untouched"), 0600).ok());
  fs::create_symlink(target, path_ + "/planted");
  fs::create_symlink(target, path_ + "/planted.new");
  write("planted", "own");
  EXPECT_EQ(read("planted"), "own");
  EXPECT_EQ(unwrap(read_file(target, 100)), Bytes({'u', 'n', 't', 'o', 'u', 'c', 'h', 'e', 'd'}));
}

TEST_F(PrivateFolders, WhatIsNoPlainFileIsRefusedWithoutWaiting) {
  ASSERT_EQ(::mkfifo((path_ + "/pipe").c_str(), 0600), 0);
  EXPECT_TRUE(fails_with(folder_.read("pipe", 100), ErrorCode::kDenied, "not a plain file"));
}

TEST_F(PrivateFolders, SizesAreLimited) {
  EXPECT_TRUE(fails_with(folder_.read("key", 2), ErrorCode::kCorrupt, "has 3 bytes"));
  EXPECT_TRUE(fails_with(folder_.read_secret<4>("key"), ErrorCode::kCorrupt, "should have 4"));
  EXPECT_TRUE(unwrap(folder_.read_secret<3>("key")).view()[0] == 'o');
  EXPECT_EQ(folder_.read("nothing", 10).error().code, ErrorCode::kNotFound);
}

TEST_F(PrivateFolders, ALockThatIsHeldEndsTheWaitWithAnError) {
  const FolderLock held = unwrap(folder_.lock());
  EXPECT_TRUE(fails_with(folder_.lock(2), ErrorCode::kTimeout, "another weft command"));
}

TEST_F(PrivateFolders, AnErrorAtAnyStepLeavesTheOldContentOrTheNew) {
  for (const WriteStep failing : {WriteStep::kCreate, WriteStep::kWrite, WriteStep::kSync,
                                  WriteStep::kRename, WriteStep::kSyncFolder}) {
    folder_.set_write_fault({});
    write("key", "old");
    folder_.set_write_fault([&](WriteStep step) -> Result<> {
      if (step == failing) return system_error("write", "key", ENOSPC);
      return {};
    });
    {
      const FolderLock lock = unwrap(folder_.lock());
      EXPECT_TRUE(
          fails_with(folder_.write(lock, "key", as_bytes("new")), ErrorCode::kIo, "No space"));
    }
    EXPECT_EQ(read("key"), failing == WriteStep::kSyncFolder ? "new" : "old");
    EXPECT_FALSE(fs::exists(path_ + "/key.new"));
  }
}

TEST_F(PrivateFolders, AKillAtAnyStepLeavesTheOldContentOrTheNewAndTheNextWriteWorks) {
  for (const WriteStep deadly : {WriteStep::kCreate, WriteStep::kWrite, WriteStep::kSync,
                                 WriteStep::kRename, WriteStep::kSyncFolder}) {
    folder_.set_write_fault({});
    write("key", "old");
    folder_.set_write_fault([&](WriteStep step) -> Result<> {
      if (step == deadly) ::_exit(9);
      return {};
    });
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto lock = folder_.lock();
      if (lock.ok() && folder_.write(*lock, "key", as_bytes("new")).ok()) ::_exit(0);
      ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    EXPECT_EQ(read("key"), deadly == WriteStep::kSyncFolder ? "new" : "old");
    folder_.set_write_fault({});
    write("key", "later");
    EXPECT_EQ(read("key"), "later");
  }
}

TEST(DataFolder, HoldsOneNodeAtATime) {
  weft::test::TemporaryFolder temporary;
  const std::string folder = temporary / "node";
  {
    const DataFolderLock first = unwrap(DataFolderLock::take(folder));
    const auto second = DataFolderLock::take(folder);
    EXPECT_TRUE(
        fails_with(second, ErrorCode::kConflict, "(process " + std::to_string(::getpid()) + ")"));
    EXPECT_TRUE(fails_with(second, ErrorCode::kConflict, "--dir"));
    EXPECT_TRUE(DataFolderLock::take(temporary / "another").ok());
  }
  EXPECT_TRUE(DataFolderLock::take(folder).ok()) << "the lock goes with its holder";
}

TEST(DataFolder, IsFreeAgainOnceItsNodeWasKilled) {
  weft::test::TemporaryFolder temporary;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = DataFolderLock::take(temporary.path());
    ::_exit(lock.ok() ? 9 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 9);
  EXPECT_TRUE(DataFolderLock::take(temporary.path()).ok());
}

TEST(DataFolder, ItsLockIsNotFollowedThroughALink) {
  weft::test::TemporaryFolder temporary;
  fs::create_symlink(temporary / "elsewhere", temporary / "node.lock");
  EXPECT_TRUE(fails_with(DataFolderLock::take(temporary.path()), ErrorCode::kDenied, "is a link"));
}

}  // namespace
}  // namespace weft::crypto

#include "model/mapped_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <numeric>

#include "model/gguf.h"
#include "tests/model/gguf_bytes.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

constexpr size_t kBytes = 1 << 20;

uint64_t sum(ByteView bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), uint64_t{0});
}

MappedFile map(const std::string& path) {
  write_bytes(path, Bytes(kBytes, 1));
  auto file = MappedFile::open(path);
  WEFT_ASSERT(file.ok());
  return std::move(*file);
}

TEST(MappedFile, TruncatedUnderItsReaderReadsZerosAndSaysSo) {
  const test::TemporaryFolder folder;
  const MappedFile file = map(folder / "m");
  EXPECT_EQ(sum(file.bytes()), kBytes);
  EXPECT_FALSE(file.damaged());
  ASSERT_EQ(::truncate((folder / "m").c_str(), kBytes / 2), 0);
  EXPECT_EQ(sum(file.bytes()), kBytes / 2);
  EXPECT_TRUE(file.damaged());
}

TEST(MappedFile, CutWithinItsLastPageIsDamagedToo) {
  const test::TemporaryFolder folder;
  const MappedFile file = map(folder / "m");
  ASSERT_EQ(::truncate((folder / "m").c_str(), kBytes - 1), 0);
  EXPECT_EQ(sum(file.bytes()), kBytes - 1);
  EXPECT_TRUE(file.damaged());
}

TEST(MappedFile, OnlyTheTruncatedOneOfTwoIsDamaged) {
  const test::TemporaryFolder folder;
  const MappedFile kept = map(folder / "kept");
  MappedFile cut = map(folder / "cut");
  const MappedFile moved = std::move(cut);
  ASSERT_EQ(::truncate((folder / "cut").c_str(), 0), 0);
  EXPECT_EQ(sum(moved.bytes()), 0u);
  EXPECT_EQ(sum(kept.bytes()), kBytes);
  EXPECT_TRUE(moved.damaged());
  EXPECT_FALSE(kept.damaged());
}

// What counts as this process's memory now, by the kernel's own count.
uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total_pages = 0, resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * uint64_t(::sysconf(_SC_PAGESIZE));
}

TEST(MappedFile, WhatIsForgottenIsNoMemoryOfOursAndReadsTheSameAgain) {
  constexpr size_t kLarge = 64 << 20;
  const test::TemporaryFolder folder;
  write_bytes(folder / "m", Bytes(kLarge, 1));
  const MappedFile file = MappedFile::open(folder / "m").value();
  file.will_read(file.bytes());
  EXPECT_EQ(sum(file.bytes()), kLarge);
  const uint64_t before = resident_bytes();
  file.forget(file.bytes().subspan(1));
  EXPECT_LT(resident_bytes() + kLarge / 2, before);
  EXPECT_EQ(sum(file.bytes()), kLarge);
  EXPECT_FALSE(file.damaged());
}

TEST(MappedFile, ReadingOnDoesNotBringBackWhatWasForgotten) {
  constexpr size_t kLarge = 64 << 20, kStep = 512 << 10;
  const test::TemporaryFolder folder;
  write_bytes(folder / "m", Bytes(kLarge, 1));
  const MappedFile file = MappedFile::open(folder / "m").value();
  const uint64_t before = resident_bytes();
  uint64_t total = 0;
  for (size_t at = 0; at < kLarge; at += kStep) {
    const ByteView part = file.bytes().subspan(at, kStep);
    total += sum(part);
    file.forget(part);
  }
  EXPECT_EQ(total, kLarge);
  EXPECT_LT(resident_bytes(), before + kLarge / 4);
}

TEST(MappedFile, AGgufTruncatedWhileMappedSurvivesAndIsDamaged) {
  const test::TemporaryFolder folder;
  write_bytes(folder / "m", GgufBytes()
                                .header(1, 1)
                                .text_key("general.name", "x")
                                .tensor("w", {kBytes / 4}, 0, 0)
                                .pad_to(32)
                                .zeros(kBytes)
                                .bytes());
  const auto file = GgufFile::open(folder / "m");
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(::truncate((folder / "m").c_str(), 0), 0);
  EXPECT_EQ(sum(file->data(*file->find("w"))), 0u);
  EXPECT_TRUE(file->damaged());
  // The header is gone as well: keys are not found any more, and nothing crashes.
  EXPECT_FALSE(file->has("general.name"));
  EXPECT_EQ(file->describe().size(), 1u);
}

TEST(MappedFile, MoreThanTheRegistryHoldsIsRefusedAndFreesAgain) {
  const test::TemporaryFolder folder;
  write_bytes(folder / "m", Bytes(16));
  std::vector<MappedFile> files;
  while (files.size() <= kMappingsMax) {
    auto file = MappedFile::open(folder / "m");
    if (!file.ok()) {
      EXPECT_EQ(file.error().code, ErrorCode::kExhausted);
      break;
    }
    files.push_back(std::move(*file));
  }
  EXPECT_LE(files.size(), kMappingsMax);
  EXPECT_GE(files.size(), kMappingsMax - 8);
  files.clear();
  EXPECT_TRUE(MappedFile::open(folder / "m").ok());
}

// Touches a page that a file does not have, in a mapping that is not ours.
void fault_elsewhere(const std::string& path) {
  const int fd = ::memfd_create("empty", 0);
  WEFT_ASSERT(fd >= 0);
  const MappedFile ours = map(path);
  const void* page = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  const volatile uint8_t* byte = static_cast<const uint8_t*>(page);
  std::fprintf(stderr, "read %d\n", int(*byte));
}

TEST(MappedFileDeathTest, AFaultElsewhereGoesToTheHandlerThatWasThereBefore) {
  WEFT_SKIP_IF_EMULATED("a way for a test to start itself again");
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const test::TemporaryFolder folder;
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, [](int) { ::_exit(42); });
        fault_elsewhere(folder / "m");
      },
      ::testing::ExitedWithCode(42), "");
}

TEST(MappedFileDeathTest, AFaultElsewhereEndsTheProcessWhereNobodyCares) {
  WEFT_SKIP_IF_EMULATED("a way for a test to start itself again");
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const test::TemporaryFolder folder;
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, SIG_DFL);
        fault_elsewhere(folder / "m");
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace weft::model

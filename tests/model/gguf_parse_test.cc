// Broken and hostile headers: numbers 1 to 16 of the list of bad inputs. Each gives its error
// within twice the header's bytes of memory.
#include "model/gguf_parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "model/gguf.h"
#include "tests/model/gguf_bytes.h"
#include "tests/support/support.h"

namespace {

std::atomic<int64_t> g_live{0};
std::atomic<int64_t> g_peak{0};

[[maybe_unused]] void* counted(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  const int64_t live = g_live += int64_t(malloc_usable_size(memory));
  if (live > g_peak) g_peak = live;
  return memory;
}

[[maybe_unused]] void uncounted(void* memory) {
  if (memory != nullptr) g_live -= int64_t(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

// Every allocation of this test program is measured; the standard allows the replacement. The
// sanitizers have their own, which must stay whole: there, nothing is measured.
#ifndef WEFT_SANITIZED
void* operator new(size_t size) {
  return counted(size);
}
void* operator new[](size_t size) {
  return counted(size);
}
void operator delete(void* memory) noexcept {
  uncounted(memory);
}
void operator delete[](void* memory) noexcept {
  uncounted(memory);
}
void operator delete(void* memory, size_t) noexcept {
  uncounted(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  uncounted(memory);
}
#endif

namespace weft::model {
namespace {

using ::testing::HasSubstr;

// Messages and their streams, whatever the file's size.
constexpr int64_t kMessageBytes = 8 * 1024;

void expect_refused(const Bytes& bytes, ErrorCode code, const std::string& word) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "m.gguf";
  write_bytes(path, bytes);
  const int64_t before = g_live;
  g_peak = before;
  const auto file = GgufFile::open(path);
  const int64_t grown = g_peak - before;
  ASSERT_FALSE(file.ok()) << "accepted, expected: " << word;
  EXPECT_EQ(error_code_name(file.error().code), error_code_name(code)) << file.error().message;
  EXPECT_THAT(file.error().message, HasSubstr(word));
  EXPECT_LE(grown, 2 * int64_t(bytes.size()) + kMessageBytes);
}

void expect_accepted(const Bytes& bytes) {
  const test::TemporaryFolder folder;
  write_bytes(folder / "m.gguf", bytes);
  const auto file = GgufFile::open(folder / "m.gguf");
  EXPECT_TRUE(file.ok()) << file.error().message;
}

// A file with one tensor of these dimensions, type and offset, and 4 KiB of data.
Bytes one_tensor(std::initializer_list<uint64_t> dims, uint32_t type, uint64_t offset) {
  return GgufBytes().header(1, 0).tensor("w", dims, type, offset).pad_to(32).zeros(4096).bytes();
}

Bytes aligned_to(GgufType type, uint64_t alignment) {
  GgufBytes bytes;
  bytes.header(0, 1).key("general.alignment", type);
  type == GgufType::kU64 ? bytes.number(alignment) : bytes.number(uint32_t(alignment));
  return bytes.bytes();
}

TEST(HostileGguf, WithoutItsMagicIsNoGguf) {
  Bytes bytes = one_tensor({8}, 0, 0);
  bytes[0] = 'X';
  expect_refused(bytes, ErrorCode::kCorrupt, "not a GGUF file");
  expect_refused({'G'}, ErrorCode::kCorrupt, "not a GGUF file");
  expect_refused({}, ErrorCode::kCorrupt, "empty");
}

TEST(HostileGguf, OfAnotherVersionOrByteOrderIsNamed) {
  expect_accepted(GgufBytes().header(0, 0, 2).bytes());
  expect_accepted(GgufBytes().header(0, 0, 3).bytes());
  expect_refused(GgufBytes().header(0, 0, 0).bytes(), ErrorCode::kCorrupt, "version 0");
  expect_refused(GgufBytes().header(0, 0, 1).bytes(), ErrorCode::kUnsupported, "version 1");
  expect_refused(GgufBytes().header(0, 0, 4).bytes(), ErrorCode::kUnsupported, "version 4");
  expect_refused(GgufBytes().header(0, 0, 0x03000000).bytes(), ErrorCode::kUnsupported,
                 "big-endian");
}

TEST(HostileGguf, WithAHugeNumberOfKeysIsRefused) {
  for (const uint64_t keys : {uint64_t{65537}, uint64_t{1} << 40, UINT64_MAX}) {
    expect_refused(GgufBytes().header(0, keys).zeros(100).bytes(), ErrorCode::kCorrupt,
                   "metadata keys");
  }
}

TEST(HostileGguf, WithAHugeOrNegativeNumberOfTensorsIsRefused) {
  for (const uint64_t tensors : {uint64_t{65537}, uint64_t(INT64_MAX), UINT64_MAX}) {
    expect_refused(GgufBytes().header(tensors, 0).zeros(100).bytes(), ErrorCode::kCorrupt,
                   "tensors;");
  }
}

TEST(HostileGguf, WithAStringLongerThanTheFileIsRefused) {
  for (const uint64_t size : {uint64_t{100}, uint64_t{1} << 33, UINT64_MAX, UINT64_MAX - 7}) {
    expect_refused(GgufBytes().header(0, 1).number(size).zeros(20).bytes(), ErrorCode::kCorrupt,
                   "metadata key 1 of 1");
    expect_refused(
        GgufBytes().header(0, 1).key("k", GgufType::kText).number(size).zeros(20).bytes(),
        ErrorCode::kCorrupt, "metadata k");
    expect_refused(GgufBytes().header(0, 1).array("k", GgufType::kText, 1).number(size).bytes(),
                   ErrorCode::kCorrupt, "metadata k: a string is longer");
  }
}

TEST(HostileGguf, WithAnArrayCountThatOverflowsIsRefused) {
  for (const uint64_t count : {uint64_t{1000}, UINT64_MAX, uint64_t{1} << 61}) {
    for (const GgufType type : {GgufType::kU8, GgufType::kF64, GgufType::kText}) {
      expect_refused(GgufBytes().header(0, 1).array("k", type, count).zeros(16).bytes(),
                     ErrorCode::kCorrupt, "metadata k: an array of");
    }
  }
}

TEST(HostileGguf, WithNestedArraysIsRefused) {
  expect_refused(
      GgufBytes().header(0, 1).array("k", GgufType::kArray, 1).number(9u).zeros(20).bytes(),
      ErrorCode::kUnsupported, "metadata k: an array of arrays");
}

TEST(HostileGguf, WithAValueOfUnknownTypeOrATruthValueOfTwoIsRefused) {
  expect_refused(GgufBytes().header(0, 1).text("k").number(13u).zeros(8).bytes(),
                 ErrorCode::kCorrupt, "value type 13");
  expect_refused(GgufBytes().header(0, 1).key("k", GgufType::kBool, uint8_t{2}).bytes(),
                 ErrorCode::kCorrupt, "a bool is 2");
}

TEST(HostileGguf, WithAnEmptyDuplicateOrEndlessKeyIsRefused) {
  expect_refused(GgufBytes().header(0, 1).key("", GgufType::kU64, uint64_t{0}).bytes(),
                 ErrorCode::kCorrupt, "empty name");
  expect_refused(GgufBytes()
                     .header(0, 3)
                     .key("a", GgufType::kU32, 1u)
                     .key("b", GgufType::kU32, 1u)
                     .key("a", GgufType::kU32, 2u)
                     .bytes(),
                 ErrorCode::kCorrupt, "metadata a is there twice");
  expect_refused(GgufBytes().header(0, 1).key(std::string(70000, 'k'), GgufType::kU32, 1u).bytes(),
                 ErrorCode::kCorrupt, "70000 bytes");
}

TEST(HostileGguf, WithABadAlignmentIsRefused) {
  for (const uint64_t alignment : {0u, 1u, 4u, 24u, 33u, 1u << 31, 1u << 17}) {
    expect_refused(aligned_to(GgufType::kU32, alignment), ErrorCode::kCorrupt,
                   "general.alignment is " + std::to_string(alignment));
  }
  expect_refused(aligned_to(GgufType::kU64, 32), ErrorCode::kCorrupt, "it must be u32");
  expect_refused(aligned_to(GgufType::kF32, 32), ErrorCode::kCorrupt, "it must be u32");
  expect_accepted(aligned_to(GgufType::kU32, 64));
}

TEST(HostileGguf, WithTooManyOrNoDimensionsIsRefused) {
  expect_accepted(one_tensor({2, 2, 2, 2}, 0, 0));
  expect_refused(one_tensor({2, 2, 2, 2, 2}, 0, 0), ErrorCode::kCorrupt, "5 dimensions");
  expect_refused(one_tensor({}, 0, 0), ErrorCode::kCorrupt, "0 dimensions");
  expect_refused(GgufBytes().header(1, 0).text("w").number(UINT32_MAX).zeros(40).bytes(),
                 ErrorCode::kCorrupt, "4294967295 dimensions");
}

TEST(HostileGguf, WithAZeroDimensionIsRefused) {
  expect_refused(one_tensor({8, 0}, 0, 0), ErrorCode::kCorrupt, "tensor w: dimension 1 is zero");
}

TEST(HostileGguf, WhoseDimensionsMultiplyPast64BitsIsRefused) {
  const uint64_t big = uint64_t{1} << 32;
  expect_refused(one_tensor({big, big}, 0, 0), ErrorCode::kCorrupt, "overflows");
  expect_refused(one_tensor({big, big, big, big}, 0, 0), ErrorCode::kCorrupt, "overflows");
  expect_refused(one_tensor({UINT64_MAX}, 0, 0), ErrorCode::kCorrupt, "overflows");
  expect_refused(one_tensor({uint64_t{1} << 63, 2}, 0, 0), ErrorCode::kCorrupt, "overflows");
}

TEST(HostileGguf, WhoseSizeInBytesWrapsIsRefused) {
  expect_refused(one_tensor({uint64_t{1} << 62}, 0, 0), ErrorCode::kCorrupt,
                 "size in bytes overflows");
  expect_refused(one_tensor({uint64_t{1} << 31, (uint64_t{1} << 31) + 1}, 0, 0),
                 ErrorCode::kCorrupt, "size in bytes overflows");
}

TEST(HostileGguf, WhoseOffsetPlusSizeWrapsIsRefused) {
  expect_refused(one_tensor({8}, 0, UINT64_MAX - 31), ErrorCode::kCorrupt, "overflow");
  expect_refused(one_tensor({8}, 0, uint64_t(INT64_MAX) - 31), ErrorCode::kCorrupt, "file has");
  expect_refused(one_tensor({uint64_t{1} << 61}, 0, uint64_t{1} << 63), ErrorCode::kCorrupt,
                 "overflow");
}

TEST(HostileGguf, WithAnInvalidRemovedOrUnsupportedTypeIsRefused) {
  expect_refused(one_tensor({256}, 4, 0), ErrorCode::kCorrupt, "tensor w: type number 4");
  expect_refused(one_tensor({256}, 255, 0), ErrorCode::kCorrupt, "type number 255");
  expect_refused(one_tensor({256}, 40, 0), ErrorCode::kUnsupported, "tensor w: type NVFP4");
}

TEST(HostileGguf, WhoseRowsAreNoWholeBlocksIsRefused) {
  expect_refused(one_tensor({100}, 12, 0), ErrorCode::kCorrupt, "no whole number of Q4_K blocks");
}

TEST(HostileGguf, WhoseTensorIsPastTheEndMisalignedOrOverlappingIsRefused) {
  expect_refused(one_tensor({1025}, 0, 0), ErrorCode::kCorrupt, "The file looks truncated");
  expect_refused(one_tensor({8}, 0, 1 << 20), ErrorCode::kCorrupt, "file has");
  expect_refused(one_tensor({8}, 0, 4), ErrorCode::kCorrupt, "not aligned to 32");
  expect_refused(GgufBytes()
                     .header(2, 0)
                     .tensor("a", {64}, 0, 0)
                     .tensor("b", {64}, 0, 224)
                     .pad_to(32)
                     .zeros(4096)
                     .bytes(),
                 ErrorCode::kCorrupt, "tensors a and b overlap");
  expect_refused(GgufBytes()
                     .header(2, 0)
                     .tensor("a", {64}, 0, 0)
                     .tensor("a", {64}, 0, 256)
                     .pad_to(32)
                     .zeros(4096)
                     .bytes(),
                 ErrorCode::kCorrupt, "tensor a is there twice");
}

TEST(HostileGguf, WithATensorNameOfNoOrManyBytesIsRefused) {
  expect_refused(GgufBytes().header(1, 0).tensor("", {8}, 0, 0).zeros(64).bytes(),
                 ErrorCode::kCorrupt, "its name has 0 bytes");
  expect_refused(
      GgufBytes().header(1, 0).tensor(std::string(256, 'n'), {8}, 0, 0).zeros(64).bytes(),
      ErrorCode::kCorrupt, "its name has 256 bytes");
}

TEST(HostileGguf, CutAnywhereInItsHeaderIsRefused) {
  const Bytes whole = GgufBytes()
                          .header(1, 2)
                          .text_key("general.architecture", "llama")
                          .array("list", GgufType::kText, 2)
                          .text("one")
                          .text("two")
                          .tensor("w", {8}, 0, 0)
                          .bytes();
  for (size_t size = 1; size < whole.size(); ++size) {
    expect_refused({whole.begin(), whole.begin() + std::ptrdiff_t(size)}, ErrorCode::kCorrupt, "");
  }
}

TEST(HostileGguf, OfManySmallKeysIsRefusedWithinTwiceItsBytes) {
  GgufBytes bytes;
  bytes.header(0, 60'000);
  for (int i = 0; i < 60'000; ++i) {
    const char name[] = {char('0' + i % 64), char('0' + i / 64 % 64), char('0' + i / 4096), '\0'};
    bytes.key(i == 59'999 ? "000" : name, GgufType::kU8, uint8_t{0});
  }
  expect_refused(bytes.bytes(), ErrorCode::kCorrupt, "metadata 000 is there twice");
}

TEST(HostileGguf, OfManySmallTensorsIsRefusedWithinTwiceItsBytes) {
  GgufBytes bytes;
  bytes.header(60'000, 0);
  for (int i = 0; i < 60'000; ++i) {
    const char name[] = {char('0' + i % 64), char('0' + i / 64 % 64), char('0' + i / 4096), '\0'};
    bytes.tensor(name, {1}, 0, 0);
  }
  expect_refused(bytes.pad_to(32).zeros(64).bytes(), ErrorCode::kCorrupt, "overlap");
}

}  // namespace
}  // namespace weft::model

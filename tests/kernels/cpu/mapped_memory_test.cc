#include "kernels/cpu/mapped_memory.h"

#include <gtest/gtest.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace weft::kernels {
namespace {

TEST(MappedMemory, IsZeroAndLargeOnesAreAlignedForHugePages) {
  MappedMemory small = MappedMemory::create(1000).value();
  EXPECT_EQ(small.size(), 1000u);
  EXPECT_TRUE(std::all_of(small.data(), small.data() + 1000, [](uint8_t b) { return b == 0; }));
  MappedMemory large = MappedMemory::create((uint64_t{5} << 20) + 3).value();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large.data()) % (uint64_t{2} << 20), 0u);
  large.data()[large.size() - 1] = 1;
  EXPECT_EQ(MappedMemory::create(0).value().size(), 0u);
}

TEST(MappedMemory, MovesWithItsBytes) {
  MappedMemory first = MappedMemory::create(64).value();
  first.data()[5] = 9;
  const uint8_t* at = first.data();
  MappedMemory second = std::move(first);
  EXPECT_EQ(second.data(), at);
  EXPECT_EQ(second.data()[5], 9);
  second = MappedMemory();
  EXPECT_EQ(second.size(), 0u);
}

TEST(MappedMemory, TouchingMakesItResidentAndKeepsWhatWasWritten) {
  MappedMemory memory = MappedMemory::create((uint64_t{4} << 20) + 5).value();
  const uint64_t page = uint64_t(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> present((memory.size() + page - 1) / page);
  const auto count = [&] {
    EXPECT_EQ(mincore(memory.data(), memory.size(), present.data()), 0);
    return size_t(std::count_if(present.begin(), present.end(), [](auto p) { return p & 1; }));
  };
  memory.data()[3] = 7;
  EXPECT_LT(count(), present.size());
  memory.touch();
  EXPECT_EQ(count(), present.size());
  EXPECT_EQ(memory.data()[3], 7);
  EXPECT_EQ(memory.data()[memory.size() - 1], 0);
}

TEST(MappedMemory, ItsEdgesAreGuardedUnderAddressSanitizer) {
#if !defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "this build has no AddressSanitizer";
#else
  const auto guarded = [](const uint8_t* at) { return __asan_address_is_poisoned(at) != 0; };
  for (const uint64_t bytes : {uint64_t{1000}, uint64_t{1003}, uint64_t{4096}, uint64_t{4} << 20}) {
    MappedMemory memory = MappedMemory::create(bytes).value();
    const uint8_t* at = memory.data();
    EXPECT_FALSE(guarded(at)) << bytes;
    EXPECT_FALSE(guarded(at + bytes - 1)) << bytes;
    EXPECT_TRUE(guarded(at + bytes)) << bytes;
    memory = MappedMemory();  // swaps: it is gone with what it was
    EXPECT_FALSE(guarded(at + bytes)) << bytes;
  }
#endif
}

TEST(MappedMemory, ASizeNoSystemHasIsAnError) {
  EXPECT_EQ(MappedMemory::create(uint64_t{1} << 60).error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace weft::kernels

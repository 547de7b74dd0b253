#include "crypto/secret.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <ostream>
#include <type_traits>
#include <vector>

#include "base/text.h"

namespace weft::crypto {
namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <typename T>
concept Comparable = requires(const T& a, const T& b) {
  a == b;
};

static_assert(!std::is_copy_constructible_v<Secret<32>>);
static_assert(!std::is_copy_assignable_v<Secret<32>>);
static_assert(std::is_nothrow_move_constructible_v<Secret<32>>);
static_assert(!Printable<Secret<32>>);
static_assert(!Comparable<Secret<32>>);

TEST(Secret, BeginsAllZeroAndHoldsWhatItIsGiven) {
  const Secret<32> empty;
  EXPECT_TRUE(equal_secrets(empty.view(), std::array<uint8_t, 32>{}));
  const std::array<uint8_t, 4> source{1, 2, 3, 4};
  const Secret<4> held{ByteView(source)};
  const Secret<4> second = held.clone();
  EXPECT_TRUE(equal_secrets(second.view(), source));
  EXPECT_NE(second.view().data(), held.view().data());
}

TEST(Secret, MovesWithoutLeavingASecondCopy) {
  Secret<4> first{ByteView(std::array<uint8_t, 4>{1, 2, 3, 4})};
  const uint8_t* place = first.view().data();
  const Secret<4> second = std::move(first);
  EXPECT_EQ(second.view().data(), place);
  EXPECT_DEATH((void)first.view(), "data_ != nullptr");
}

TEST(Secret, ComparisonTellsContentAndLength) {
  const std::array<uint8_t, 3> a{1, 2, 3}, b{1, 2, 4};
  EXPECT_TRUE(equal_secrets(a, a));
  EXPECT_FALSE(equal_secrets(a, b));
  EXPECT_FALSE(equal_secrets(a, ByteView(a).first(2)));
  EXPECT_TRUE(equal_secrets({}, {}));
}

TEST(Secret, WipedTextHoldsNothing) {
  std::string text = "7K3M-A1B2";
  wipe(text);
  EXPECT_EQ(text, std::string(9, '\0'));
}

int64_t locked_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmLck:", 0) == 0) return std::stoll(line.substr(6));
  }
  return -1;
}

TEST(Secret, IsLockedInMemory) {
#ifdef WEFT_SANITIZED
  GTEST_SKIP() << "skipped: the sanitizers replace mlock by nothing";
#endif
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &limit), 0);
  if (limit.rlim_cur < 256 * 1024) GTEST_SKIP() << "skipped: this system locks less than 256 KiB";
  const int64_t before = locked_kilobytes();
  std::vector<Secret<32>> secrets(8);
  EXPECT_GE(locked_kilobytes() - before, 8 * 4);
  secrets.clear();
  EXPECT_EQ(locked_kilobytes(), before);
}

// In a child, since it cannot be undone: 0 if core dumps are off.
[[noreturn]] void check_initialized() {
  if (!initialize().ok() || !initialize().ok()) ::_exit(1);
  rlimit limit;
  if (::getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur != 0 || limit.rlim_max != 0)
    ::_exit(2);
#ifndef WEFT_SANITIZED
  if (::prctl(PR_GET_DUMPABLE) != 0) ::_exit(3);
#endif
  ::_exit(0);
}

TEST(SecretDeathTest, InitializingTurnsCoreDumpsOff) {
  EXPECT_EXIT(check_initialized(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace weft::crypto

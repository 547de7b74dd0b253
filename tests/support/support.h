// What tests share: golden data, temporary folders, seeds that are printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace weft::test {

// The folder of golden reference data: $WEFT_GOLDEN_DIR, else ../shared/golden beside the checkout.
// Nothing where neither is there; use WEFT_GOLDEN_OR_SKIP in tests.
std::optional<std::string> golden_dir();

// The checkout's root, for assets/.
std::string source_dir();

// A folder that is removed with all it holds when this ends.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The seed of a random test: $WEFT_TEST_SEED, else `fallback`; recorded with the test's output, so
// that a failing run can be replayed.
uint64_t test_seed(uint64_t fallback);

// Whether this is a cross build's test under an emulator, which says so in $WEFT_EMULATED. Such a
// test cannot start itself again, and has not all of the system's calls.
bool emulated();

}  // namespace weft::test

// Skips the test under an emulator, and says what that lacks.
#define WEFT_SKIP_IF_EMULATED(lacks) \
  if (::weft::test::emulated()) GTEST_SKIP() << "skipped: the emulator lacks " lacks

// Declares `dir`, the golden folder, or skips the test and says why.
#define WEFT_GOLDEN_OR_SKIP(dir)                                                             \
  const auto dir##_optional = ::weft::test::golden_dir();                                    \
  if (!dir##_optional)                                                                       \
    GTEST_SKIP() << "skipped: no golden data (set WEFT_GOLDEN_DIR to the folder that has it)"; \
  const std::string& dir = *dir##_optional

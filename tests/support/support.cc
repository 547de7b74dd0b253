#include "tests/support/support.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/assert.h"

namespace weft::test {

std::optional<std::string> golden_dir() {
  const char* named = std::getenv("WEFT_GOLDEN_DIR");
  const std::string dir = named ? named : source_dir() + "/../shared/golden";
  if (!std::filesystem::is_directory(dir)) return std::nullopt;
  return dir;
}

std::string source_dir() { return WEFT_SOURCE_DIR; }

TemporaryFolder::TemporaryFolder() {
  path_ = (std::filesystem::temp_directory_path() / "weft-test-XXXXXX").string();
  WEFT_ASSERT(::mkdtemp(path_.data()) != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

uint64_t test_seed(uint64_t fallback) {
  const char* text = std::getenv("WEFT_TEST_SEED");
  const uint64_t seed = text ? std::strtoull(text, nullptr, 10) : fallback;
  ::testing::Test::RecordProperty("seed", std::to_string(seed));
  std::printf("seed %llu (replay with WEFT_TEST_SEED)\n", (unsigned long long)seed);
  return seed;
}

bool emulated() {
  return std::getenv("WEFT_EMULATED") != nullptr;
}

}  // namespace weft::test

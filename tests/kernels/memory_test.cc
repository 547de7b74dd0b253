#include "kernels/memory.h"

#include <gtest/gtest.h>

namespace weft::kernels {
namespace {

TEST(MakeArray, GivesZeros) {
  EXPECT_EQ(make_array<float>(3, "a test").value(), std::vector<float>(3, 0.0f));
}

TEST(MakeArray, WhatCannotBeHadIsAnErrorThatNamesItsPurpose) {
  std::vector<size_t> counts = {~size_t{0}};
#ifndef WEFT_SANITIZED  // a sanitizer's allocator ends the program instead
  counts.push_back(size_t{1} << 58);
#endif
  for (const size_t count : counts) {
    const auto refused = make_array<float>(count, "a castle");
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
    EXPECT_NE(refused.error().message.find("a castle"), std::string::npos);
  }
}

}  // namespace
}  // namespace weft::kernels

#include "base/kv_type.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(KvType, NamesAreParsedAndOthersRefusedWithWhatIsPossible) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
    EXPECT_EQ(parse_kv_type(kv_type_name(type)).value(), type);
  }
  EXPECT_EQ(parse_kv_type("f32").value(), KvType::kF32);
  EXPECT_EQ(parse_kv_type("q8_0").value(), KvType::kQ8_0);
  for (const char* name : {"f8", "", "F16", "f16 "}) {
    const auto refused = parse_kv_type(name);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
    EXPECT_NE(refused.error().message.find("use f32, f16 or q8_0"), std::string::npos);
  }
}

// Another order would make nodes of two versions compute with two types.
TEST(KvType, HasTheNumbersOfTheWire) {
  EXPECT_EQ(int(KvType::kF16), 0);
  EXPECT_EQ(int(KvType::kF32), 1);
  EXPECT_EQ(int(KvType::kQ8_0), 2);
  EXPECT_EQ(kKvTypes, 3);
}

TEST(KvType, AHeadOfQ8TakesAScaleForEach32Elements) {
  EXPECT_EQ(kv_head_bytes(KvType::kF16, 80), 160u);
  EXPECT_EQ(kv_head_bytes(KvType::kF32, 80), 320u);
  EXPECT_EQ(kv_head_bytes(KvType::kQ8_0, 64), 64u + 2 * 2);
  EXPECT_EQ(kv_head_bytes(KvType::kQ8_0, 80), 80u + 3 * 2) << "the last block may be shorter";
}

}  // namespace
}  // namespace weft

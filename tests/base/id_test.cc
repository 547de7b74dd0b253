#include "base/id.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace weft {
namespace {

TEST(Id, PrintsAndParsesHexadecimal) {
  NodeId id;
  for (size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = uint8_t(i * 17);
  const std::string text = to_string(id);
  EXPECT_EQ(text, "00112233445566778899aabbccddeeff");
  EXPECT_EQ(short_string(id), "00112233");
  NodeId back;
  ASSERT_TRUE(parse_hex(text, back.bytes.data(), back.bytes.size()).ok());
  EXPECT_EQ(back, id);
}

TEST(Id, RefusesOtherText) {
  NodeId id;
  EXPECT_FALSE(parse_hex("", id.bytes.data(), id.bytes.size()).ok());
  EXPECT_FALSE(parse_hex(std::string(31, 'a'), id.bytes.data(), id.bytes.size()).ok());
  EXPECT_FALSE(parse_hex(std::string(32, 'g'), id.bytes.data(), id.bytes.size()).ok());
}

TEST(Id, ZeroIsNoId) {
  EXPECT_TRUE(NodeId().is_zero());
  NodeId one;
  one.bytes[15] = 1;
  EXPECT_FALSE(one.is_zero());
  EXPECT_LT(NodeId(), one);
}

TEST(Id, IdsAreHashable) {
  std::unordered_set<SessionId> sessions = {SessionId{1}, SessionId{2}, SessionId{1}};
  EXPECT_EQ(sessions.size(), 2u);
  EXPECT_EQ(to_string(SessionId{255}), "00000000000000ff");
  EXPECT_EQ(to_string(Epoch{12}), "12");
}

}  // namespace
}  // namespace weft

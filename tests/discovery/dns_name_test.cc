#include "discovery/dns_name.h"

#include <gtest/gtest.h>

namespace weft::discovery::test {
namespace {

// Twelve header bytes, then `tail`.
Bytes message(std::initializer_list<int> tail) {
  Bytes bytes(12, 0);
  for (const int byte : tail) bytes.push_back(uint8_t(byte));
  return bytes;
}

std::string error_at(const Bytes& bytes, size_t position) {
  const auto name = Name::read(bytes, position);
  return name.ok() ? "" : name.error().message;
}

TEST(Name, FollowsACompressionPointerAndGoesOnBehindIt) {
  const Bytes bytes = message({1, 'a', 1, 'b', 0, 2, 'c', 'd', 0xc0, 14, 99});
  size_t position = 17;
  const auto name = Name::read(bytes, position);
  ASSERT_TRUE(name.ok()) << name.error().message;
  EXPECT_EQ(name->text(), "cd.b");
  EXPECT_EQ(position, 22u);
}

// FAULTS 21.
TEST(Name, APointerThatDoesNotLeadBackIsRefused) {
  EXPECT_NE(error_at(message({0xc0, 12}), 12), "") << "to itself";
  EXPECT_NE(error_at(message({1, 'a', 0xc0, 12}), 12), "") << "to its own start";
  EXPECT_NE(error_at(message({0xc0, 14, 1, 'a', 0}), 12), "") << "forwards";
  EXPECT_NE(error_at(message({0xc0, 14, 0xc0, 12}), 14), "") << "two that point at one another";
  EXPECT_NE(error_at(message({0xc0, 3}), 12), "") << "into the header";
  EXPECT_NE(error_at(message({0xc0, 200}), 12), "") << "past the end";
  EXPECT_NE(error_at(message({0xc0}), 12), "") << "half a pointer";
}

TEST(Name, AChainOfPointersHasALimit) {
  Bytes bytes = message({0});
  size_t target = 12;
  for (int i = 0; i < kNamePointersMax; ++i) {
    const size_t here = bytes.size();
    bytes.push_back(uint8_t(0xc0 | target >> 8));
    bytes.push_back(uint8_t(target));
    target = here;
  }
  EXPECT_EQ(error_at(bytes, target), "");
  const size_t last = bytes.size();
  bytes.push_back(uint8_t(0xc0 | target >> 8));
  bytes.push_back(uint8_t(target));
  EXPECT_NE(error_at(bytes, last), "");
}

// FAULTS 22.
TEST(Name, ALabelPastTheEndIsRefused) {
  EXPECT_NE(error_at(message({5, 'a', 'b'}), 12), "");
  EXPECT_NE(error_at(message({2, 'a', 'b'}), 12), "") << "no end of the name";
  EXPECT_NE(error_at(message({63}), 12), "");
  EXPECT_NE(error_at(message({}), 12), "");
}

// FAULTS 25.
TEST(Name, ReservedLabelTypesAreRefused) {
  EXPECT_NE(error_at(message({0x40, 'a', 0}), 12).find("reserved"), std::string::npos);
  EXPECT_NE(error_at(message({0x80, 'a', 0}), 12).find("reserved"), std::string::npos);
}

TEST(Name, LongerThan255BytesIsRefusedWhenReadAndWhenMade) {
  const std::string label(63, 'x');
  const auto longest = Name::from_labels({label, label, label, std::string(61, 'y')});
  ASSERT_TRUE(longest.ok());
  EXPECT_EQ(longest->wire().size() + 1, kNameBytesMax);
  EXPECT_FALSE(Name::from_labels({label, label, label, std::string(62, 'y')}).ok());
  Bytes bytes = message({});
  for (const char c : longest->wire()) bytes.push_back(uint8_t(c));
  bytes.push_back(0);
  EXPECT_EQ(error_at(bytes, 12), "");
  bytes.pop_back();
  for (const int byte : {1, int('z'), 0}) bytes.push_back(uint8_t(byte));
  EXPECT_NE(error_at(bytes, 12).find("longer"), std::string::npos);
}

TEST(Name, LabelsAreOneTo63Bytes) {
  EXPECT_FALSE(Name().child("").ok());
  EXPECT_FALSE(Name().child(std::string(64, 'x')).ok());
  EXPECT_TRUE(Name().child(std::string(63, 'x')).ok());
  EXPECT_FALSE(Name::from_text("a..b").ok());
}

TEST(Name, ComparesWithoutAsciiCaseAndKeepsIt) {
  const Name a = Name::from_text("Kitchen._WEFT._tcp.local").value();
  const Name b = Name::from_text("kitchen._weft._TCP.local").value();
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.key(), b.key());
  EXPECT_EQ(a.text(), "Kitchen._WEFT._tcp.local");
  EXPECT_NE(a, a.parent());
  EXPECT_NE(Name::from_text("ab.c").value(), Name::from_text("a.bc").value());
}

TEST(Name, EscapesDotsInsideLabels) {
  const Name name = Name::from_labels({"Dr. B\\", "local"}).value();
  EXPECT_EQ(name.text(), "Dr\\. B\\\\.local");
  EXPECT_EQ(name.first_label(), "Dr. B\\");
  EXPECT_EQ(name.parent().parent(), Name());
  EXPECT_TRUE(Name().parent().is_root());
  EXPECT_EQ(Name().first_label(), "");
}

}  // namespace
}  // namespace weft::discovery::test

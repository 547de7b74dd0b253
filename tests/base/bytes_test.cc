#include "base/bytes.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Bytes, WritesAndReadsLittleEndian) {
  ByteWriter writer;
  writer.number(uint16_t(0x0102)).number(int32_t(-5)).append(as_bytes("end"));
  EXPECT_EQ(writer.bytes()[0], 2);
  ByteReader reader(writer.bytes());
  EXPECT_EQ(*reader.number<uint16_t>(), 0x0102);
  EXPECT_EQ(*reader.number<int32_t>(), -5);
  EXPECT_EQ(as_text(*reader.take(3)), "end");
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(Bytes, ReadingPastTheEndIsCorrupt) {
  const Bytes bytes(3);
  ByteReader reader(bytes);
  EXPECT_EQ(reader.number<uint32_t>().error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(reader.take(UINT64_MAX).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(reader.position(), 0u);
  EXPECT_TRUE(reader.take(3).ok());
}

TEST(Bytes, SharedBytesKeepTheirOwnerAlive) {
  SharedBytes shared;
  {
    const SharedBytes made = SharedBytes::adopt(std::vector<float>{1, 2, 3});
    shared = SharedBytes(made);
  }
  EXPECT_EQ(shared.size(), 12u);
  EXPECT_EQ(shared.floats()[2], 3);
  EXPECT_TRUE(SharedBytes().empty());
  EXPECT_EQ(SharedBytes::adopt(Bytes{9, 8}).view()[1], 8);
}

}  // namespace
}  // namespace weft

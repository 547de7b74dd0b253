#include "node/peers.h"

#include <gtest/gtest.h>

#include <set>

#include "base/text.h"

namespace weft::node {
namespace {

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}

const Time kStart = Time{} + seconds(100);

TEST(Peers, AnAddressIsAHostAndAPort) {
  for (const char* good : {"192.168.1.7:7071", "[fe80::1%eth0]:7071", "kitchen.local:1"}) {
    EXPECT_TRUE(is_address(good)) << good;
  }
  for (const std::string bad : {"", ":7071", "host", "host:0", "host:65536", "host:x", "[]:1",
                                "a b:1", "fe80::1:7071"}) {
    EXPECT_FALSE(is_address(bad)) << bad;
  }
  EXPECT_FALSE(is_address(std::string(200, 'a') + ":1"));
}

TEST(Peers, OnlyAnAddressWithColonsGetsBrackets) {
  EXPECT_EQ(join_address("10.0.0.1", 7), "10.0.0.1:7");
  EXPECT_EQ(join_address("::1", 7), "[::1]:7");
}

TEST(Peers, EachAddressIsTriedInTurnAndThenTheSeeds) {
  PeerBook book({"seed:1"});
  book.learn(node_id(1), "old:1");
  book.learn(node_id(1), "new:1");
  Time now = kStart;
  for (const char* expected : {"new:1", "old:1", "seed:1", "new:1"}) {
    EXPECT_EQ(book.next_address(node_id(1), now), expected);
    EXPECT_FALSE(book.next_address(node_id(1), now + (kDialPatience - milliseconds(1))));
    now = now + kDialPatience;
  }
}

TEST(Peers, MalformedAddressesAreIgnored) {
  PeerBook book({});
  book.learn(node_id(1), "not an address");
  EXPECT_FALSE(book.next_address(node_id(1), kStart));
}

TEST(Peers, ALinkedMemberIsNotDialledUntilItsLinkBreaks) {
  PeerBook book({});
  book.learn(node_id(1), "host:1");
  ASSERT_TRUE(book.next_address(node_id(1), kStart));
  book.on_up(node_id(1));
  EXPECT_FALSE(book.next_address(node_id(1), kStart + seconds(60)));
  ASSERT_EQ(book.known().size(), 1u);
  EXPECT_EQ(book.known()[0].address, "host:1");
  book.on_down(node_id(1), kStart + seconds(60));
  EXPECT_TRUE(book.known().empty());
  EXPECT_TRUE(book.next_address(node_id(1), kStart + seconds(60) + kDialPatience));
}

TEST(Peers, AForgottenMemberHasNoAddress) {
  PeerBook book({});
  book.learn(node_id(1), "host:1");
  book.forget(node_id(1));
  EXPECT_FALSE(book.next_address(node_id(1), kStart));
}

TEST(Peers, AddressesAndPeersAreBounded) {
  PeerBook book({});
  for (int i = 1; i <= 50; ++i) book.learn(node_id(1), cat("host:", i));
  std::set<std::string> tried;
  Time now = kStart;
  for (int i = 0; i < 50; ++i, now = now + kDialPatience) {
    tried.insert(*book.next_address(node_id(1), now));
  }
  EXPECT_EQ(tried.size(), kAddressesPerPeerMax);
  NodeId id;
  for (size_t i = 0; i < kPeersMax + 10; ++i) {
    id.bytes[0] = uint8_t(i);
    id.bytes[1] = uint8_t(i >> 8);
    id.bytes[2] = 1;
    book.learn(id, "host:1");
  }
  EXPECT_FALSE(book.next_address(id, kStart));  // the last one found no room
}

}  // namespace
}  // namespace weft::node

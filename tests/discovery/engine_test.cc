#include "discovery/engine.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include "base/text.h"
#include "tests/discovery/virtual_lan.h"
#include "tests/support/support.h"

namespace weft::discovery::test {
namespace {

using Kind = DiscoveryEvent::Kind;

class EngineOnALan : public testing::Test {
 protected:
  EngineOnALan() : lan(weft::test::test_seed(41)) {}

  VirtualLan::Node& node(uint8_t host, const std::string& instance) {
    auto& added = lan.add(host);
    EXPECT_TRUE(
        added.engine->publish({instance, uint16_t(7000 + host), {{"id", instance}}}, lan.now())
            .ok());
    added.engine->browse(lan.now());
    return added;
  }
  VirtualLan lan;
};

TEST_F(EngineOnALan, ThreeNodesFindOneAnotherWithinThreeSeconds) {
  auto& a = node(1, "a");
  auto& b = node(2, "b");
  auto& c = node(3, "c");
  lan.run(seconds(3));
  EXPECT_EQ(present(a), (std::set<std::string>{"b", "c"}));
  EXPECT_EQ(present(b), (std::set<std::string>{"a", "c"}));
  EXPECT_EQ(present(c), (std::set<std::string>{"a", "b"}));
}

TEST_F(EngineOnALan, AQuietMeshStaysPresentForHoursWithFewPackets) {
  auto& a = node(1, "a");
  node(2, "b");
  lan.run(seconds(20));
  const size_t before = lan.packet_count();
  lan.run(seconds(7200), milliseconds(200));
  EXPECT_EQ(a.events.size(), 1u) << "no change was reported while nothing changed";
  // An address record lives 120 s and is asked for at 80 % of it: 75 rounds, each way a question
  // and an answer.
  EXPECT_LT(lan.packet_count() - before, 75u * 4 * 2);
}

TEST_F(EngineOnALan, ANodeThatDiesSilentlyIsLostWhenItsRecordsEnd) {
  auto& a = node(1, "a");
  auto& b = node(2, "b");
  lan.run(seconds(5));
  b.deaf = true;
  lan.run(seconds(60));
  EXPECT_EQ(present(a), std::set<std::string>{"b"});
  lan.run(seconds(70));
  EXPECT_TRUE(present(a).empty());
}

TEST_F(EngineOnALan, AGoodbyeRemovesAfterOneSecond) {
  auto& a = node(1, "a");
  auto& b = node(2, "b");
  lan.run(seconds(5));
  b.engine->withdraw(lan.now());
  lan.run(milliseconds(900));
  EXPECT_EQ(present(a), std::set<std::string>{"b"});
  lan.run(milliseconds(300));
  EXPECT_TRUE(present(a).empty());
}

TEST_F(EngineOnALan, NodesOfOneNameEndWithDifferentNumbersWhoeverStartsFirst) {
  std::vector<VirtualLan::Node*> nodes;
  for (uint8_t host = 1; host <= 4; ++host) nodes.push_back(&node(host, "twin"));
  lan.run(seconds(30));
  std::set<std::string> names;
  for (auto* each : nodes) names.insert(each->engine->responder().instance()->text());
  EXPECT_EQ(names.size(), 4u);
  for (auto* each : nodes) EXPECT_EQ(present(*each).size(), 3u);
}

TEST_F(EngineOnALan, ALateTwinTakesTheNumberAndTheFirstKeepsItsName) {
  auto& first = node(9, "twin");
  lan.run(seconds(5));
  auto& second = node(2, "twin");
  lan.run(seconds(5));
  EXPECT_EQ(first.engine->responder().instance()->first_label(), "twin");
  EXPECT_EQ(second.engine->responder().instance()->first_label(), "twin (2)");
  EXPECT_EQ(present(first), std::set<std::string>{"twin (2)"});
  EXPECT_EQ(present(second), std::set<std::string>{"twin"});
}

// FAULTS 27.
TEST_F(EngineOnALan, TenThousandFakePeersKeepMemorySmallAndKnownPeersStay) {
  auto& a = node(1, "a");
  node(2, "b");
  node(3, "c");
  lan.run(seconds(5));
#ifndef WEFT_SANITIZED
  const size_t heap_before = mallinfo2().uordblks;
#endif
  const TxtMap long_txt{{"x", std::string(240, 'x')}, {"y", std::string(240, 'y')}};
  for (int fake = 0; fake < 10'000; ++fake) {
    // A third from one address, a third from all over the network, a third in b's own name.
    const uint8_t host = fake % 3 == 0 ? 66 : fake % 3 == 1 ? uint8_t(10 + fake % 240) : 2;
    const auto message = announcement_of(cat("fake-", fake), host, 9, long_txt, 4500);
    a.engine->on_datagram(write_message(message), from(host), lan.now());
    if (fake % 50 == 0) lan.run(milliseconds(50), milliseconds(50));
  }
  EXPECT_LE(a.engine->browser().service_count(), kServicesMax);
  EXPECT_GT(a.engine->counters().limited, 0u);
#ifndef WEFT_SANITIZED
  EXPECT_LT(mallinfo2().uordblks - heap_before, 16u << 20);
#endif
  lan.run(seconds(300), milliseconds(250));  // longer than b's and c's address records live
  EXPECT_TRUE(present(a).contains("b"));
  EXPECT_TRUE(present(a).contains("c"));
}

// FAULTS 28.
TEST_F(EngineOnALan, APacketFromBeyondARouterIsDropped) {
  auto& a = node(1, "a");
  lan.run(seconds(2));
  const Bytes packet = write_message(announcement_of("far", 5, 9, {{"id", "far"}}));
  a.engine->on_datagram(packet, {7, {IpAddress::v4(8, 8, 8, 8), kMdnsPort}, true}, lan.now());
  a.engine->on_datagram(packet, {7, {IpAddress::v4(192, 168, 2, 5), kMdnsPort}, false}, lan.now());
  a.engine->on_datagram(packet, {99, {IpAddress::v4(192, 168, 1, 5), kMdnsPort}, true}, lan.now());
  lan.run(seconds(1));
  EXPECT_TRUE(present(a).empty());
  EXPECT_EQ(a.engine->counters().off_link, 2u);
  a.engine->on_datagram(packet, from(5), lan.now());
  lan.run(seconds(1));
  EXPECT_EQ(present(a), std::set<std::string>{"far"}) << "the same packet from the link is heard";
}

TEST_F(EngineOnALan, AClaimToBeElsewhereIsNotAHint) {
  auto& a = node(1, "a");
  lan.run(seconds(2));
  auto message = announcement_of("bait", 5, 443, {{"id", "bait"}});
  for (const auto& address :
       {IpAddress::v4(8, 8, 8, 8), IpAddress::v4(127, 0, 0, 1), IpAddress::v4(224, 0, 0, 1),
        IpAddress::v4(0, 0, 0, 0), IpAddress::v4(255, 255, 255, 255)}) {
    message.answers.back().data = address;
    lan.send(5, write_message(message));
    lan.run(seconds(1));
    EXPECT_TRUE(present(a).empty()) << address.text();
  }
}

// FAULTS 29.
TEST_F(EngineOnALan, ASpoofedGoodbyeIsHealedBeforeAnyoneLosesTheNode) {
  auto& a = node(1, "a");
  auto& b = node(2, "b");
  lan.run(seconds(10));
  Message goodbye = announcement_of("b", 2, 7002, {{"id", "b"}}, 0);
  for (int round = 0; round < 20; ++round) {
    lan.send(66, write_message(goodbye));
    lan.run(milliseconds(700));
  }
  EXPECT_EQ(present(a), std::set<std::string>{"b"});
  EXPECT_EQ(a.events.size(), 1u) << "b was never reported lost";
  EXPECT_TRUE(b.engine->responder().established(7));
}

TEST_F(EngineOnALan, ASpoofedGoodbyeForASilentNodeRemovesItAfterOneSecond) {
  auto& a = node(1, "a");
  auto& b = node(2, "b");
  lan.run(seconds(10));
  b.deaf = true;
  lan.send(66, write_message(announcement_of("b", 2, 7002, {{"id", "b"}}, 0)));
  lan.run(milliseconds(900));
  EXPECT_EQ(present(a), std::set<std::string>{"b"});
  lan.run(milliseconds(300));
  EXPECT_TRUE(present(a).empty());
}

// FAULTS 30.
TEST_F(EngineOnALan, OwnPacketsAndOwnAddressUnderAnyNameAreIgnored) {
  auto& a = node(1, "a");
  lan.run(seconds(10));
  EXPECT_TRUE(present(a).empty());
  EXPECT_GT(a.engine->counters().own, 0u);
  EXPECT_EQ(a.engine->counters().own, a.engine->counters().sent);
  lan.send(66, write_message(announcement_of("mirror", 1, 7001, {{"id", "mirror"}})));
  lan.run(seconds(1));
  EXPECT_TRUE(present(a).empty()) << "our own address and port under another name";
  lan.send(66, write_message(announcement_of("roommate", 1, 7099, {{"id", "roommate"}})));
  lan.run(seconds(1));
  EXPECT_EQ(present(a), std::set<std::string>{"roommate"}) << "another port here is another node";
}

TEST_F(EngineOnALan, AStrangerWhoClaimsOurNameCannotMakeUsSilent) {
  auto& a = node(1, "a");
  node(2, "b");
  lan.run(seconds(5));
  const size_t before = lan.packet_count();
  for (int round = 0; round < 60; ++round) {
    const std::string name(a.engine->responder().instance()->first_label());
    lan.send(66, write_message(announcement_of(name, 66, 9, {{"id", "evil"}})));
    lan.run(milliseconds(500));
  }
  EXPECT_LT(lan.packet_count() - before, 600u) << "conflicts are answered at a bounded rate";
  lan.run(seconds(20));
  EXPECT_TRUE(a.engine->responder().established(7));
}

TEST_F(EngineOnALan, MalformedForeignAndMisroutedMessagesAreCountedAndDropped) {
  auto& a = node(1, "a");
  lan.run(seconds(2));
  const uint64_t before = a.engine->counters().malformed;
  Message message = announcement_of("x", 5, 9, {});
  lan.send(5, write_message(message), 4000);  // a response from another port
  message.opcode = 5;
  lan.send(5, write_message(message));
  message.opcode = 0;
  message.rcode = 3;
  lan.send(5, write_message(message));
  lan.send(5, as_bytes("hello"));
  lan.run(seconds(1));
  EXPECT_EQ(a.engine->counters().malformed - before, 4u);
  EXPECT_TRUE(present(a).empty());
}

TEST_F(EngineOnALan, FiveThousandMutatedPacketsHarmNothing) {
  const uint64_t seed = weft::test::test_seed(77);
  Random random(seed);
  auto& a = node(1, "a");
  node(2, "b");
  lan.run(seconds(5));
  std::vector<Bytes> originals = {
      write_message(announcement_of("peer", 5, 9, {{"id", "peer"}, {"v", "1"}})),
      write_message(announcement_of("b", 2, 7002, {{"id", "b"}})),
      write_message(announcement_of("a", 1, 7001, {{"id", "a"}}, 0))};
  Message question;
  question.questions = {{weft_type(), RecordType::kPtr, kClassIn, true},
                        {meta_query_name(), RecordType::kAny, kClassIn, false}};
  question.answers = {announcement_of("a", 1, 7001, {}).answers[0]};
  originals.push_back(write_message(question));
  for (int round = 0; round < 5'000; ++round) {
    Bytes packet = originals[random.below(originals.size())];
    for (uint64_t flips = 1 + random.below(6); flips > 0; --flips) {
      packet[random.below(packet.size())] = uint8_t(random.next());
    }
    if (random.below(4) == 0) packet.resize(random.below(packet.size()));
    lan.send(uint8_t(10 + random.below(200)), packet);
    if (round % 20 == 0) lan.run(milliseconds(100));
  }
  EXPECT_LE(a.engine->browser().service_count(), kServicesMax);
  lan.run(seconds(20));
  EXPECT_TRUE(a.engine->responder().established(7));
}

}  // namespace
}  // namespace weft::discovery::test

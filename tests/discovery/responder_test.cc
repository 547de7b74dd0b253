#include "discovery/responder.h"

#include <gtest/gtest.h>

#include "tests/discovery/virtual_lan.h"
#include "tests/support/support.h"

namespace weft::discovery::test {
namespace {

struct Sent {
  Time at;
  Message message;
  std::optional<Endpoint> to;
};

class AResponder : public testing::Test {
 protected:
  AResponder() : responder(weft_type(), weft::test::test_seed(5)) {
    const std::vector<Link> links = {lan_link(1)};
    responder.set_links(links, now);
    EXPECT_TRUE(responder.publish({"lamp", 7001, {{"id", "x"}}}, now).ok());
  }

  // Lets time pass in steps of 5 ms and returns what was sent.
  std::vector<Sent> run(Duration span) {
    std::vector<Sent> sent;
    const Time end = now + span;
    while (true) {
      responder.tick(now);
      for (const OutPacket& packet : responder.take_packets()) {
        auto message = parse_message(packet.bytes);
        EXPECT_TRUE(message.ok());
        EXPECT_EQ(packet.link, 7);
        sent.push_back({now, *std::move(message), packet.to});
      }
      if (now >= end) return sent;
      now = now + milliseconds(5);
    }
  }
  void establish() {
    run(seconds(10));
    ASSERT_TRUE(responder.established(7));
  }
  std::vector<Sent> ask(const Message& query, const Arrival& arrival = from(2)) {
    responder.on_message(query, arrival, now);
    return run(milliseconds(600));
  }
  static Message question(const Name& name, RecordType type, bool unicast = false) {
    Message query;
    query.questions = {{name, type, kClassIn, unicast}};
    return query;
  }
  static bool holds(const std::vector<Record>& records, RecordType type) {
    return std::any_of(records.begin(), records.end(),
                       [&](const Record& record) { return record.type == type; });
  }
  Name instance() const { return *responder.instance(); }

  Time now = kStart;
  Responder responder;
};

TEST_F(AResponder, ProbesThreeTimesThenAnnouncesThreeTimes) {
  const auto sent = run(seconds(10));
  ASSERT_EQ(sent.size(), 6u);
  for (int i = 0; i < 3; ++i) {
    const Message& probe = sent[i].message;
    EXPECT_FALSE(probe.response);
    ASSERT_EQ(probe.questions.size(), 2u);
    EXPECT_EQ(probe.questions[0].type, RecordType::kAny);
    EXPECT_TRUE(holds(probe.authorities, RecordType::kSrv));
    EXPECT_TRUE(holds(probe.authorities, RecordType::kA));
  }
  EXPECT_LE(sent[0].at - kStart, milliseconds(255));
  EXPECT_EQ(sent[1].at - sent[0].at, milliseconds(250));
  EXPECT_EQ(sent[3].at - sent[2].at, milliseconds(250));
  for (int i = 3; i < 6; ++i) {
    const Message& announcement = sent[i].message;
    EXPECT_TRUE(announcement.response);
    EXPECT_TRUE(holds(announcement.answers, RecordType::kTxt));
    for (const Record& record : announcement.answers) {
      EXPECT_EQ(record.cache_flush, record.type != RecordType::kPtr);
      EXPECT_GT(record.ttl_s, 0u);
    }
  }
  EXPECT_GE(sent[4].at - sent[3].at, seconds(1));
}

TEST_F(AResponder, AnswersABrowserWithAllItNeedsAfterAShortRandomDelay) {
  establish();
  const Time asked = now;
  const auto sent = ask(question(weft_type(), RecordType::kPtr));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_FALSE(sent[0].to.has_value());
  EXPECT_GE(sent[0].at - asked, milliseconds(20));
  EXPECT_LE(sent[0].at - asked, milliseconds(125));
  EXPECT_TRUE(holds(sent[0].message.answers, RecordType::kPtr));
  for (const auto type : {RecordType::kSrv, RecordType::kTxt, RecordType::kA}) {
    EXPECT_TRUE(holds(sent[0].message.additionals, type));
  }
}

TEST_F(AResponder, AnswersForUniqueRecordsAtOnce) {
  establish();
  const Time asked = now;
  const auto sent = ask(question(instance(), RecordType::kSrv));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].at, asked);
  EXPECT_TRUE(holds(sent[0].message.additionals, RecordType::kA));
}

TEST_F(AResponder, AnswersTheMetaQueryWithItsType) {
  establish();
  const auto sent = ask(question(meta_query_name(), RecordType::kPtr));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(std::get<Name>(sent[0].message.answers[0].data), weft_type());
}

TEST_F(AResponder, IsSilentOnOtherNamesTypesAndClasses) {
  establish();
  EXPECT_TRUE(ask(question(name_of("_http._tcp.local"), RecordType::kPtr)).empty());
  EXPECT_TRUE(ask(question(weft_type(), RecordType::kSrv)).empty());
  Message chaos = question(weft_type(), RecordType::kPtr);
  chaos.questions[0].dns_class = 3;
  EXPECT_TRUE(ask(chaos).empty());
}

TEST_F(AResponder, AKnownAnswerIsNotRepeatedUnlessHalfItsLifeIsOver) {
  establish();
  Message query = question(weft_type(), RecordType::kPtr);
  query.answers = {{weft_type(), RecordType::kPtr, kClassIn, false, kOtherTtlSeconds, instance()}};
  EXPECT_TRUE(ask(query).empty());
  query.answers[0].ttl_s = kOtherTtlSeconds / 2 - 1;
  EXPECT_EQ(ask(query).size(), 1u);
}

TEST_F(AResponder, WaitsForTheRestOfATruncatedListOfKnownAnswers) {
  establish();
  Message query = question(weft_type(), RecordType::kPtr);
  query.truncated = true;
  responder.on_message(query, from(2), now);
  EXPECT_TRUE(run(milliseconds(300)).empty());
  Message rest;
  rest.answers = {{weft_type(), RecordType::kPtr, kClassIn, false, kOtherTtlSeconds, instance()}};
  responder.on_message(rest, from(2), now);
  EXPECT_TRUE(run(seconds(1)).empty()) << "the rest held our record";
  responder.on_message(query, from(2), now);
  responder.on_message(rest, from(3), now);
  EXPECT_EQ(run(seconds(1)).size(), 1u) << "the list of another asker does not count";
}

TEST_F(AResponder, MulticastsARecordAtMostOnceASecond) {
  establish();
  size_t sent = 0;
  for (int i = 0; i < 50; ++i) {
    responder.on_message(question(instance(), RecordType::kSrv), from(uint8_t(2 + i)), now);
    sent += run(milliseconds(100)).size();
  }
  EXPECT_LE(sent, 6u);
  EXPECT_GE(sent, 5u);
}

TEST_F(AResponder, HonoursTheUnicastBitOnlyForWhatWasMulticastLately) {
  establish();
  const auto sent = ask(question(instance(), RecordType::kSrv, true));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, from(2).source);
  run(seconds(kHostTtlSeconds));
  const auto later = ask(question(instance(), RecordType::kSrv, true));
  ASSERT_EQ(later.size(), 1u);
  EXPECT_FALSE(later[0].to.has_value()) << "caches of others run out too";
}

TEST_F(AResponder, AnOrdinaryResolverGetsAnOrdinaryAnswer) {
  establish();
  Message query = question(weft_type(), RecordType::kPtr);
  query.id = 4711;
  const auto sent = ask(query, from(2, 40000));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, (Endpoint{IpAddress::v4(192, 168, 1, 2), 40000}));
  EXPECT_EQ(sent[0].message.id, 4711);
  EXPECT_EQ(sent[0].message.questions, query.questions);
  for (const auto* section : {&sent[0].message.answers, &sent[0].message.additionals}) {
    for (const Record& record : *section) {
      EXPECT_FALSE(record.cache_flush);
      EXPECT_LE(record.ttl_s, kLegacyTtlSeconds);
    }
  }
}

TEST_F(AResponder, DefendsItsNameAgainstAProbeAtOnce) {
  establish();
  Message probe = question(instance(), RecordType::kAny);
  probe.authorities = {
      {instance(), RecordType::kSrv, kClassIn, false, 120, Srv{0, 0, 9, name_of("other.local")}}};
  const Time asked = now;
  const auto sent = ask(probe);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].at, asked);
  EXPECT_TRUE(holds(sent[0].message.answers, RecordType::kSrv));
  EXPECT_EQ(instance().first_label(), "lamp");
}

TEST_F(AResponder, ANameThatIsTakenWhileProbingGetsANumberAndSoDoesItsHost) {
  run(milliseconds(300));
  responder.on_message(announcement_of("lamp", 9, 9, {}), from(9), now);
  EXPECT_EQ(instance().first_label(), "lamp (2)");
  const auto sent = run(seconds(10));
  const auto& srv = std::get<Srv>(sent.back().message.answers[2].data);
  EXPECT_EQ(srv.target.text(), "weft-lamp-2.local");
}

TEST_F(AResponder, AHostNameThatIsTakenGetsANumberToo) {
  run(milliseconds(300));
  Message other;
  other.response = true;
  other.answers = {{name_of("weft-lamp.local"), RecordType::kA, kClassIn, true, 120,
                    IpAddress::v4(192, 168, 1, 77)}};
  responder.on_message(other, from(77), now);
  EXPECT_EQ(instance().first_label(), "lamp (2)");
}

TEST_F(AResponder, AConflictAfterItWasEstablishedMakesItProbeAgain) {
  establish();
  responder.on_message(announcement_of("lamp", 9, 9, {}), from(9), now);
  EXPECT_FALSE(responder.established(7));
  EXPECT_EQ(instance().first_label(), "lamp") << "it keeps the name if nobody answers the probe";
  run(seconds(2));
  EXPECT_TRUE(responder.established(7));
}

TEST_F(AResponder, ItsOwnRecordsFromElsewhereAreNoConflict) {
  establish();
  Message echo = announcement_of("lamp", 1, 7001, {{"id", "x"}}, kOtherTtlSeconds);
  responder.on_message(echo, from(1), now);
  EXPECT_TRUE(responder.established(7));
  EXPECT_TRUE(run(seconds(2)).empty());
}

TEST_F(AResponder, ALostSimultaneousProbeWaitsASecond) {
  while (run(milliseconds(5)).empty()) {
  }
  Message probe = question(instance(), RecordType::kAny);
  probe.authorities = {
      {instance(), RecordType::kSrv, kClassIn, false, 120, Srv{0xffff, 0, 9, name_of("z.local")}}};
  responder.on_message(probe, from(9), now);
  EXPECT_TRUE(run(milliseconds(990)).empty());
  EXPECT_FALSE(run(seconds(3)).empty()) << "and tries again, for nobody defended the name";
  EXPECT_EQ(instance().first_label(), "lamp");
}

TEST_F(AResponder, AWonSimultaneousProbeGoesOn) {
  while (run(milliseconds(5)).empty()) {
  }
  Message probe = question(instance(), RecordType::kAny);
  probe.authorities = {{instance(), RecordType::kTxt, kClassIn, false, 120, Txt{""}}};
  responder.on_message(probe, from(9), now);
  EXPECT_FALSE(run(milliseconds(300)).empty());
}

TEST_F(AResponder, AnnouncesNewTextWithoutProbing) {
  establish();
  ASSERT_TRUE(responder.set_txt({{"id", "y"}}, now).ok());
  const auto sent = run(seconds(1));
  ASSERT_FALSE(sent.empty());
  EXPECT_TRUE(sent[0].message.response);
  EXPECT_EQ(std::get<Txt>(sent[0].message.answers[3].data), Txt{"id=y"});
  EXPECT_TRUE(responder.established(7));
  run(seconds(10));
  ASSERT_TRUE(responder.set_txt({{"id", "y"}}, now).ok());
  EXPECT_TRUE(run(seconds(1)).empty()) << "the same text is no news";
}

TEST_F(AResponder, SaysGoodbyeWithEveryRecordAtZero) {
  establish();
  responder.withdraw();
  const auto packets = responder.take_packets();
  ASSERT_EQ(packets.size(), 1u);
  const auto goodbye = parse_message(packets[0].bytes);
  EXPECT_EQ(goodbye->answers.size(), 4u);
  for (const Record& record : goodbye->answers) EXPECT_EQ(record.ttl_s, 0u);
  EXPECT_FALSE(responder.instance().has_value());
  EXPECT_EQ(responder.tick(now), kNever);
  EXPECT_FALSE(responder.set_txt({}, now).ok());
}

TEST_F(AResponder, AnnouncesOnALinkThatAppearsAndForgetsOneThatGoes) {
  establish();
  Link second = lan_link(1);
  second.index = 8;
  const std::vector<Link> both = {lan_link(1), second};
  responder.set_links(both, now);
  Time end = now + seconds(10);
  size_t on_second = 0;
  for (; now < end; now = now + milliseconds(10)) {
    responder.tick(now);
    for (const auto& packet : responder.take_packets()) {
      EXPECT_EQ(packet.link, 8) << "nothing changed on the first";
      on_second += 1;
    }
  }
  EXPECT_EQ(on_second, 6u);
  responder.set_links({}, now);
  EXPECT_FALSE(responder.established(7) || responder.established(8));
}

TEST_F(AResponder, AnnouncesAChangedAddress) {
  establish();
  const std::vector<Link> moved = {lan_link(55)};
  responder.set_links(moved, now);
  const auto sent = run(milliseconds(100));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(std::get<IpAddress>(sent[0].message.answers.back().data),
            IpAddress::v4(192, 168, 1, 55));
}

}  // namespace
}  // namespace weft::discovery::test

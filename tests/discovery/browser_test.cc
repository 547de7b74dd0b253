#include "discovery/browser.h"

#include <gtest/gtest.h>

#include "tests/discovery/virtual_lan.h"
#include "tests/support/support.h"

namespace weft::discovery::test {
namespace {

using Kind = DiscoveryEvent::Kind;

struct Asked {
  Time at;
  Message message;
};

class ABrowser : public testing::Test {
 protected:
  ABrowser() : browser(weft_type(), weft::test::test_seed(6)) {
    const std::vector<Link> links = {lan_link(1)};
    browser.set_links(links, now);
    browser.start(now);
  }

  std::vector<Asked> run(Duration span, Duration step = milliseconds(10)) {
    std::vector<Asked> asked;
    const Time end = now + span;
    while (true) {
      browser.tick(now);
      for (const OutPacket& packet : browser.take_packets()) {
        EXPECT_LE(packet.bytes.size(), kPacketBytesTarget);
        asked.push_back({now, parse_message(packet.bytes).value()});
      }
      if (now >= end) return asked;
      now = now + step;
    }
  }
  void hear(const Message& message, uint8_t host = 5) {
    browser.on_message(message, from(host), now);
  }
  std::vector<Kind> kinds() {
    std::vector<Kind> result;
    for (const auto& event : browser.take_events()) result.push_back(event.kind);
    return result;
  }
  static bool asks_for(const Message& message, RecordType type) {
    return std::any_of(message.questions.begin(), message.questions.end(),
                       [&](const Question& question) { return question.type == type; });
  }

  Time now = kStart;
  Browser browser;
};

TEST_F(ABrowser, AsksWithPausesThatDouble) {
  std::vector<Time> times;
  for (const auto& asked : run(seconds(40))) {
    EXPECT_TRUE(asks_for(asked.message, RecordType::kPtr));
    times.push_back(asked.at);
  }
  ASSERT_EQ(times.size(), 6u);  // at 0, 1, 3, 7, 15 and 31 seconds after the first
  EXPECT_GE(times[0] - kStart, milliseconds(20));
  EXPECT_LE(times[0] - kStart, milliseconds(130));
  for (size_t i = 1; i < times.size(); ++i) {
    EXPECT_GE(times[i] - times[i - 1], seconds(1 << (i - 1)) - milliseconds(10));
  }
}

TEST_F(ABrowser, ReportsAServiceOnceWithAllItsParts) {
  hear(announcement_of("lamp", 5, 7005, {{"id", "x"}}));
  const auto events = browser.take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, Kind::kFound);
  EXPECT_EQ(events[0].service,
            (Service{"lamp", "weft-lamp.local", 7005, {{"id", "x"}}, {"192.168.1.5"}, "lan0"}));
  hear(announcement_of("lamp", 5, 7005, {{"id", "x"}}));
  EXPECT_TRUE(kinds().empty()) << "nothing new";
  hear(announcement_of("lamp", 5, 7005, {{"id", "y"}}));
  EXPECT_EQ(kinds(), std::vector{Kind::kUpdated});
}

TEST_F(ABrowser, TheOrderOfRecordsDoesNotMatter) {
  Message message = announcement_of("lamp", 5, 7005, {});
  std::reverse(message.answers.begin(), message.answers.end());
  hear(message);
  EXPECT_EQ(kinds(), std::vector{Kind::kFound});
}

TEST_F(ABrowser, AsksForWhatIsMissingAndGivesUpOnWhatNeverCompletes) {
  run(seconds(2));
  Message pointer = announcement_of("ghost", 5, 7005, {});
  pointer.answers.resize(1);
  hear(pointer);
  size_t asked = 0;
  for (const auto& query : run(seconds(30))) {
    if (asks_for(query.message, RecordType::kSrv)) asked += 1;
  }
  EXPECT_EQ(asked, size_t{kResolveTriesMax});
  EXPECT_EQ(browser.service_count(), 0u);
  EXPECT_TRUE(kinds().empty());
}

TEST_F(ABrowser, AsksForTheAddressOfAHost) {
  Message message = announcement_of("lamp", 5, 7005, {});
  const Record address = message.answers.back();
  message.answers.pop_back();
  hear(message);
  bool asked = false;
  for (const auto& query : run(seconds(1))) asked |= asks_for(query.message, RecordType::kA);
  EXPECT_TRUE(asked);
  Message answer;
  answer.response = true;
  answer.answers = {address};
  hear(answer);
  EXPECT_EQ(kinds(), std::vector{Kind::kFound});
}

TEST_F(ABrowser, RefreshesARecordFourTimesBeforeItEnds) {
  hear(announcement_of("lamp", 5, 7005, {}, 4500));
  Message brief = announcement_of("lamp", 5, 7005, {});
  brief.answers = {brief.answers[1]};
  brief.answers[0].ttl_s = 100;
  hear(brief);
  std::vector<double> asked;
  for (const auto& query : run(seconds(99))) {
    if (asks_for(query.message, RecordType::kSrv)) asked.push_back(to_seconds(query.at - kStart));
  }
  ASSERT_EQ(asked.size(), 4u);
  EXPECT_NEAR(asked[0], 80, 0.1);
  EXPECT_NEAR(asked[3], 95, 0.1);
  EXPECT_EQ(kinds(), std::vector{Kind::kFound});
  run(seconds(2));
  EXPECT_EQ(kinds(), std::vector{Kind::kLost});
}

TEST_F(ABrowser, AKnownServiceIsListedInTheQuestionUntilHalfItsLifeIsOver) {
  run(milliseconds(200));
  hear(announcement_of("lamp", 5, 7005, {}, 20));
  const auto soon = run(seconds(2));
  ASSERT_FALSE(soon.empty());
  ASSERT_EQ(soon[0].message.answers.size(), 1u);
  EXPECT_LE(soon[0].message.answers[0].ttl_s, 20u);
  const auto later = run(seconds(14));
  ASSERT_FALSE(later.empty());
  EXPECT_TRUE(later.back().message.answers.empty());
}

TEST_F(ABrowser, AListOfKnownServicesGoesOverSeveralPackets) {
  run(milliseconds(200));
  for (int i = 0; i < 60; ++i) {
    hear(
        announcement_of("a rather long name of a service " + std::to_string(i), 5, 7005, {}, 4500));
  }
  const auto asked = run(seconds(2));
  size_t listed = 0;
  for (const auto& query : asked) listed += query.message.answers.size();
  ASSERT_GE(asked.size(), 3u);
  EXPECT_EQ(listed, 60u);
  EXPECT_TRUE(asked[0].message.truncated);
  EXPECT_FALSE(asked.back().message.truncated);
}

// FAULTS 29.
TEST_F(ABrowser, AGoodbyeIsForgivenIfTheServiceIsAnnouncedAgainWithinASecond) {
  hear(announcement_of("lamp", 5, 7005, {}));
  EXPECT_EQ(kinds(), std::vector{Kind::kFound});
  hear(announcement_of("lamp", 5, 7005, {}, 0), 66);
  run(milliseconds(900));
  hear(announcement_of("lamp", 5, 7005, {}));
  run(seconds(5));
  EXPECT_TRUE(kinds().empty());
  hear(announcement_of("lamp", 5, 7005, {}, 0), 66);
  run(milliseconds(1010));
  EXPECT_EQ(kinds(), std::vector{Kind::kLost});
}

TEST_F(ABrowser, AFlushedAddressGoesAfterASecond) {
  hear(announcement_of("lamp", 5, 7005, {}));
  run(seconds(5));
  hear(announcement_of("lamp", 6, 7005, {}));
  auto events = browser.take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].service.addresses.size(), 2u);
  run(milliseconds(1010));
  events = browser.take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].service.addresses, std::vector<std::string>{"192.168.1.6"});
}

TEST_F(ABrowser, AnIpv6LinkLocalAddressCarriesItsInterface) {
  Message message = announcement_of("lamp", 5, 7005, {});
  message.answers.back().type = RecordType::kAaaa;
  message.answers.back().data = IpAddress::parse("fe80::5").value();
  hear(message);
  const auto events = browser.take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].service.addresses, std::vector<std::string>{"fe80::5%lan0"});
}

// FAULTS 26.
TEST_F(ABrowser, AliasesAndRecordsThatPointAtThemselvesAreNotFollowed) {
  Message message;
  message.response = true;
  const Name name = weft_type().child("loop").value();
  message.answers = {{weft_type(), RecordType::kPtr, kClassIn, false, 120, weft_type()},
                     {weft_type(), RecordType::kPtr, kClassIn, false, 120, name},
                     {name, RecordType::kPtr, kClassIn, false, 120, name},
                     {name, RecordType{5}, kClassIn, true, 120, Bytes{0xc0, 12}},
                     {name, RecordType::kSrv, kClassIn, true, 120, Srv{0, 0, 9, name}}};
  hear(message);
  size_t asked = 0;
  for (const auto& query : run(seconds(60))) asked += query.message.questions.size();
  EXPECT_LT(asked, 30u);
  EXPECT_TRUE(kinds().empty());
  EXPECT_EQ(browser.service_count(), 0u);
}

TEST_F(ABrowser, ServicesOfOtherTypesAndRecordsNobodyNeedsCostNothing) {
  Message message = announcement_of("printer", 5, 631, {});
  const Name ipp = name_of("_ipp._tcp.local");
  const Name printer = ipp.child("printer").value();
  message.answers[0].name = ipp;
  message.answers[0].data = printer;
  message.answers[1].name = message.answers[2].name = printer;
  hear(message);
  Message deeper = announcement_of("x", 5, 7005, {});
  deeper.answers[0].data = weft_type().child("x").value().child("y").value();
  hear(deeper);
  EXPECT_EQ(browser.service_count(), 0u);
}

TEST_F(ABrowser, NamesThatCouldDriveATerminalAreIgnored) {
  hear(announcement_of("\x1b[31mred", 5, 7005, {}));
  hear(announcement_of("\xff", 5, 7006, {}));
  EXPECT_EQ(browser.service_count(), 0u);
}

// FAULTS 27.
TEST_F(ABrowser, OneSourceFillsOnlyItsShareAndAllTogetherOnlyTheLimit) {
  for (int i = 0; i < 200; ++i) hear(announcement_of("f" + std::to_string(i), 5, 9, {}), 66);
  EXPECT_EQ(browser.service_count(), kServicesPerSourceMax);
  for (int i = 0; i < 2000; ++i) {
    hear(announcement_of("g" + std::to_string(i), 5, 9, {}), uint8_t(70 + i % 100));
  }
  EXPECT_EQ(browser.service_count(), kServicesMax);
  hear(announcement_of("f0", 5, 9, {{"id", "still"}}));
  bool updated = false;
  for (const auto& event : browser.take_events()) updated |= event.service.txt.contains("id");
  EXPECT_TRUE(updated) << "what is known is kept up to date when full";
}

TEST_F(ABrowser, AHugeTimeToLiveIsCut) {
  hear(announcement_of("lamp", 5, 7005, {}, UINT32_MAX));
  run(seconds(kTtlSecondsMax + 5), seconds(60));
  EXPECT_EQ(browser.take_events().size(), 0u) << "found and lost between two calls is nothing";
  EXPECT_EQ(browser.service_count(), 0u);
}

TEST_F(ABrowser, ALinkThatGoesTakesItsServicesAlong) {
  hear(announcement_of("lamp", 5, 7005, {}));
  EXPECT_EQ(kinds(), std::vector{Kind::kFound});
  browser.set_links({}, now);
  EXPECT_EQ(kinds(), std::vector{Kind::kLost});
  EXPECT_EQ(browser.service_count(), 0u);
}

// FAULTS 30.
TEST_F(ABrowser, OurOwnNameIsIgnoredAndForgottenWhenItBecomesOurs) {
  hear(announcement_of("lamp", 5, 7005, {}));
  EXPECT_EQ(kinds(), std::vector{Kind::kFound});
  browser.set_own(weft_type().child("LAMP").value(), 7001, now);
  EXPECT_EQ(kinds(), std::vector{Kind::kLost});
  hear(announcement_of("lamp", 5, 7005, {}));
  EXPECT_EQ(browser.service_count(), 0u);
  browser.set_own(weft_type().child("lamp (2)").value(), 7001, now);
  EXPECT_FALSE(run(milliseconds(200)).empty()) << "renamed: the old name's owner is asked for";
  hear(announcement_of("lamp", 5, 7005, {}));
  EXPECT_EQ(kinds(), std::vector{Kind::kFound});
}

TEST(AnIdleBrowser, KeepsNothingBeforeItIsStarted) {
  Browser browser(weft_type(), 1);
  const std::vector<Link> links = {lan_link(1)};
  browser.set_links(links, kStart);
  browser.on_message(announcement_of("lamp", 5, 7005, {}), from(5), kStart);
  EXPECT_EQ(browser.service_count(), 0u);
  EXPECT_EQ(browser.tick(kStart), kNever);
}

}  // namespace
}  // namespace weft::discovery::test

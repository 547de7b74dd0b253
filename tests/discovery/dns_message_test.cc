#include "discovery/dns_message.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/discovery/virtual_lan.h"
#include "tests/support/support.h"

namespace weft::discovery::test {
namespace {

Message everything() {
  Message message = announcement_of("Kitchen lamp", 5, 7101, {{"id", "abc"}, {"v", "1"}});
  const Name host = std::get<Srv>(message.answers[1].data).target;
  message.id = 0x1234;
  message.truncated = true;
  message.questions = {{weft_type(), RecordType::kPtr, kClassIn, true},
                       {host, RecordType::kAny, kClassAny, false}};
  message.authorities = {
      {host, RecordType::kAaaa, kClassIn, false, 120, IpAddress::parse("fe80::5").value()}};
  message.additionals = {{host, RecordType{47}, kClassIn, true, 120, Bytes{1, 2, 3}},
                         {Name(), RecordType{41}, 1440, false, 0, Bytes{}}};
  return message;
}

// One record of `type` behind an empty header that promises it.
Bytes one_record(uint16_t type, const Bytes& data, int claimed_bytes = -1) {
  Bytes bytes = {0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0};
  for (const int byte : {1, int('a'), 0, type >> 8, type & 255, 0, 1, 0, 0, 0, 120}) {
    bytes.push_back(uint8_t(byte));
  }
  const int claimed = claimed_bytes < 0 ? int(data.size()) : claimed_bytes;
  bytes.push_back(uint8_t(claimed >> 8));
  bytes.push_back(uint8_t(claimed));
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

TEST(DnsMessage, WhatIsWrittenIsReadBack) {
  const Message message = everything();
  const auto parsed = parse_message(write_message(message));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(*parsed, message);
}

TEST(DnsMessage, NamesAreCompressed) {
  const Message message = everything();
  size_t estimate = 12;
  for (const auto& question : message.questions) estimate += estimated_bytes(question);
  for (const auto* section : {&message.answers, &message.authorities, &message.additionals}) {
    for (const auto& record : *section) estimate += estimated_bytes(record);
  }
  const size_t bytes = write_message(message).size();
  EXPECT_LT(bytes, estimate - 100);
  EXPECT_GT(bytes, 150u);
}

// The question of RFC 6762's browsing, byte by byte as RFC 1035 4.1 lays it out.
TEST(DnsMessage, AQuestionHasItsPublishedBytes) {
  Message message;
  message.questions = {{name_of("_a._tcp.local"), RecordType::kPtr, kClassIn, true}};
  const Bytes expected = {0,   0,   0,   0,   0, 1,   0,   0,   0,   0,   0, 0, 2,  '_',  'a', 4,
                          '_', 't', 'c', 'p', 5, 'l', 'o', 'c', 'a', 'l', 0, 0, 12, 0x80, 1};
  EXPECT_EQ(write_message(message), expected);
}

TEST(DnsMessage, AnyCutIsRefusedAndNothingElseBreaks) {
  const Bytes whole = write_message(everything());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto parsed = parse_message(ByteView(whole).first(size));
    ASSERT_FALSE(parsed.ok()) << size;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
  }
}

// FAULTS 23.
TEST(DnsMessage, ATextStringLongerThanItsRecordIsRefused) {
  EXPECT_TRUE(parse_message(one_record(16, {3, 'a', '=', 'b'})).ok());
  EXPECT_FALSE(parse_message(one_record(16, {4, 'a', '=', 'b'})).ok());
  EXPECT_FALSE(parse_message(one_record(16, {1, 'a', 255})).ok());
  Bytes overlong = one_record(16, {4, 'a', '=', 'b'});
  overlong.push_back('c');  // the message has the byte, the record has not
  EXPECT_FALSE(parse_message(overlong).ok());
}

// FAULTS 24.
TEST(DnsMessage, ALieAboutTheLengthOfDataIsRefused) {
  EXPECT_FALSE(parse_message(one_record(99, {1, 2, 3}, 4)).ok()) << "past the message";
  EXPECT_FALSE(parse_message(one_record(99, {}, 65535)).ok());
  const Bytes srv = {0, 0, 0, 0, 1, 1, 1, 'h', 0};
  EXPECT_TRUE(parse_message(one_record(33, srv)).ok());
  EXPECT_FALSE(parse_message(one_record(33, srv, 8)).ok()) << "the name ends behind the data";
  EXPECT_FALSE(parse_message(one_record(33, srv, 3)).ok());
  Bytes padded = srv;
  padded.push_back(0);
  EXPECT_FALSE(parse_message(one_record(33, padded)).ok()) << "the name ends before the data does";
  EXPECT_FALSE(parse_message(one_record(1, {1, 2, 3})).ok()) << "an address of three bytes";
  EXPECT_FALSE(parse_message(one_record(28, {1, 2, 3, 4})).ok());
  EXPECT_FALSE(parse_message(one_record(12, {}, 0)).ok()) << "a pointer record without a name";
}

// FAULTS 26.
TEST(DnsMessage, AnAliasOfItselfIsKeptAsBytesAndNeverFollowed) {
  const auto parsed = parse_message(one_record(5, {0xc0, 12}));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(std::get<Bytes>(parsed->answers[0].data), (Bytes{0xc0, 12}));
}

TEST(DnsMessage, CountsAboveTheLimitAreRefusedBeforeTheyAreRead) {
  Bytes bytes = {0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
  EXPECT_NE(parse_message(bytes).error().message.find("at most"), std::string::npos);
  EXPECT_FALSE(parse_message(Bytes(kMessageBytesMax + 1, 0)).ok());
  EXPECT_TRUE(parse_message(Bytes(kMessageBytesMax, 0)).ok()) << "an empty message, then padding";
}

TEST(DnsMessage, SameDataIsSameWhateverItsLifeAndCase) {
  const Record record = everything().answers[1];
  Record other = record;
  other.ttl_s = 1;
  other.cache_flush = false;
  std::get<Srv>(other.data).target = name_of("WEFT-kitchen-lamp.LOCAL");
  EXPECT_TRUE(record.same_as(other));
  std::get<Srv>(other.data).port = 1;
  EXPECT_FALSE(record.same_as(other));
}

// The example of RFC 6762 section 8.2: 169.254.99.200 loses against 169.254.200.50.
TEST(DnsMessage, TheLaterAddressWinsASimultaneousProbe) {
  const auto at = [](uint8_t c, uint8_t d) {
    return Record{name_of("mac.local"),         RecordType::kA, kClassIn, false, 120,
                  IpAddress::v4(169, 254, c, d)};
  };
  const std::vector<Record> low = {at(99, 200)};
  const std::vector<Record> high = {at(200, 50)};
  EXPECT_LT(compare_probes(low, high), 0);
  EXPECT_GT(compare_probes(high, low), 0);
  EXPECT_EQ(compare_probes(low, low), 0);
  const std::vector<Record> more = {at(200, 50), at(99, 200)};
  EXPECT_LT(compare_probes(low, more), 0) << "running out first loses";
}

TEST(DnsMessage, FiveThousandMutatedPacketsAreReadOrRefusedAndReadAgainTheSame) {
  const uint64_t seed = weft::test::test_seed(2026);
  Random random(seed);
  const Bytes original = write_message(everything());
  int accepted = 0;
  for (int round = 0; round < 5'000; ++round) {
    Bytes bytes = original;
    for (uint64_t changes = 1 + random.below(8); changes > 0; --changes) {
      bytes[random.below(bytes.size())] = uint8_t(random.next());
    }
    if (random.below(3) == 0) bytes.resize(random.below(bytes.size() + 1));
    const auto parsed = parse_message(bytes);
    if (!parsed.ok()) continue;
    accepted += 1;
    const auto again = parse_message(write_message(*parsed));
    ASSERT_TRUE(again.ok()) << "round " << round << ": " << again.error().message;
    EXPECT_EQ(*again, *parsed) << "round " << round;
  }
  EXPECT_GT(accepted, 100) << "the mutations are not all trivially refused";
}

}  // namespace
}  // namespace weft::discovery::test

#include "discovery/dns_sd.h"

#include <gtest/gtest.h>

namespace weft::discovery::test {
namespace {

TEST(ServiceType, IsAnUnderscoredNameAndTcpOrUdp) {
  EXPECT_EQ(service_type_name("_weft._tcp")->text(), "_weft._tcp.local");
  EXPECT_TRUE(service_type_name("_weft-test._udp").ok());
  for (const char* bad : {"", "weft._tcp", "_weft", "_weft._sctp", "_weft._tcp.local", "_._tcp",
                          "_longer-than-15-letters._tcp"}) {
    EXPECT_EQ(service_type_name(bad).error().code, ErrorCode::kInvalid) << bad;
  }
}

TEST(Announcement, IsCheckedAgainstTheLimitsOfTheRecords) {
  const ServiceAnnouncement good{"Küche", 7000, {{"id", "x"}}};
  EXPECT_TRUE(check_announcement(good).ok());
  for (const std::string& name :
       {std::string(), std::string(64, 'x'), std::string("a\nb"), std::string("\xff\xfe")}) {
    ServiceAnnouncement bad = good;
    bad.instance = name;
    EXPECT_EQ(check_announcement(bad).error().code, ErrorCode::kInvalid);
  }
  ServiceAnnouncement no_port = good;
  no_port.port = 0;
  EXPECT_FALSE(check_announcement(no_port).ok());
}

TEST(Text, EntriesHaveAKeyAndFitTheirString) {
  EXPECT_TRUE(check_txt({{"k", std::string(253, 'v')}}).ok());
  EXPECT_FALSE(check_txt({{"k", std::string(254, 'v')}}).ok());
  EXPECT_FALSE(check_txt({{"", "v"}}).ok());
  EXPECT_FALSE(check_txt({{"a=b", "v"}}).ok());
  EXPECT_FALSE(check_txt({{"k\xc3\xbc", "v"}}).ok());
  EXPECT_FALSE(check_txt({{"a", std::string(200, 'v')},
                          {"b", std::string(200, 'v')},
                          {"c", std::string(200, 'v')}})
                   .ok())
      << "more than 512 bytes";
}

TEST(Text, IsReadBackAsItWasWritten) {
  const TxtMap txt{{"id", "abc"}, {"empty", ""}, {"equals", "a=b"}};
  EXPECT_EQ(decode_txt(encode_txt(txt)).value(), txt);
  EXPECT_EQ(encode_txt({}), Txt{""});
  EXPECT_TRUE(decode_txt({""})->empty());
}

// RFC 6763 section 6.4.
TEST(Text, TheFirstOfAKeyWinsCaseIsIgnoredAndStringsWithoutAKeyAreSkipped) {
  const auto txt = decode_txt({"ID=one", "id=two", "=nokey", "flag", "\x01=control"});
  ASSERT_TRUE(txt.ok());
  EXPECT_EQ(*txt, (TxtMap{{"id", "one"}, {"flag", ""}}));
}

TEST(Text, OfAPeerIsBounded) {
  EXPECT_EQ(decode_txt(Txt(6, "k=" + std::string(250, 'v'))).error().code, ErrorCode::kExhausted);
  Txt many;
  for (size_t i = 0; i <= kTxtPairsMax; ++i) many.push_back("k" + std::to_string(i));
  EXPECT_EQ(decode_txt(many).error().code, ErrorCode::kExhausted);
}

TEST(NumberedNames, FitALabelWhateverTheNumber) {
  EXPECT_EQ(numbered_instance("lamp", 1), "lamp");
  EXPECT_EQ(numbered_instance("lamp", 12), "lamp (12)");
  std::string umlauts;
  for (int i = 0; i < 31; ++i) umlauts += "ü";
  const std::string cut = numbered_instance(umlauts, 100);
  EXPECT_LE(cut.size(), kLabelBytesMax);
  EXPECT_TRUE(valid_instance(cut)) << "cut between characters, not inside one";
}

TEST(NumberedNames, HostsAreLettersDigitsAndSingleHyphens) {
  EXPECT_EQ(numbered_host("Kitchen  Lamp!", 1), "weft-kitchen-lamp");
  EXPECT_EQ(numbered_host("Kitchen Lamp", 3), "weft-kitchen-lamp-3");
  EXPECT_EQ(numbered_host("台所", 2), "weft-2");
  EXPECT_EQ(numbered_host(std::string(63, 'x'), 1000).size(), kLabelBytesMax);
}

}  // namespace
}  // namespace weft::discovery::test

#include "discovery/ip_address.h"

#include <gtest/gtest.h>

namespace weft::discovery::test {
namespace {

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

TEST(IpAddress, ParsesAndPrintsBothFamilies) {
  EXPECT_EQ(ip("192.168.1.2"), IpAddress::v4(192, 168, 1, 2));
  EXPECT_EQ(ip("192.168.1.2").text(), "192.168.1.2");
  EXPECT_EQ(ip("fe80:0::1").text(), "fe80::1");
  EXPECT_EQ(IpAddress::from_bytes(ip("fd00::5").view()), ip("fd00::5"));
}

TEST(IpAddress, RefusesNamesAndZones) {
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.256", "fe80::1%eth0", "::g"}) {
    EXPECT_EQ(IpAddress::parse(text).error().code, ErrorCode::kInvalid) << text;
  }
}

TEST(IpAddress, KnowsItsKinds) {
  EXPECT_TRUE(ip("127.8.0.1").loopback() && ip("::1").loopback());
  EXPECT_FALSE(ip("128.0.0.1").loopback() || ip("::2").loopback() || ip("1::1").loopback());
  EXPECT_TRUE(ip("224.0.0.251").multicast() && ip("ff02::fb").multicast());
  EXPECT_FALSE(ip("192.0.0.1").multicast() || ip("fe80::1").multicast());
  EXPECT_TRUE(ip("169.254.3.4").link_local() && ip("febf::1").link_local());
  EXPECT_FALSE(ip("169.253.3.4").link_local() || ip("fec0::1").link_local());
  EXPECT_TRUE(ip("0.0.0.0").unspecified() && ip("::").unspecified());
  EXPECT_FALSE(ip("0.0.0.1").unspecified());
}

TEST(Prefix, ContainsItsNetworkAndNothingElse) {
  const Prefix odd{ip("10.1.2.130"), 25};
  EXPECT_TRUE(odd.contains(ip("10.1.2.255")));
  EXPECT_FALSE(odd.contains(ip("10.1.2.127")));
  EXPECT_FALSE(odd.contains(ip("10.1.3.130")));
  EXPECT_TRUE((Prefix{ip("10.1.2.3"), 32}.contains(ip("10.1.2.3"))));
  EXPECT_FALSE((Prefix{ip("10.1.2.3"), 32}.contains(ip("10.1.2.2"))));
  EXPECT_TRUE((Prefix{ip("10.1.2.3"), 0}.contains(ip("8.8.8.8"))));
  EXPECT_FALSE((Prefix{ip("0.0.0.0"), 0}.contains(ip("::")))) << "another family";
  EXPECT_TRUE((Prefix{ip("fd00::1"), 64}.contains(ip("fd00::ffff:1"))));
  EXPECT_FALSE((Prefix{ip("fd00::1"), 64}.contains(ip("fd00:0:0:1::1"))));
}

}  // namespace
}  // namespace weft::discovery::test

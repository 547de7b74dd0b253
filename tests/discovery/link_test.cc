#include "discovery/link.h"

#include <gtest/gtest.h>

#include "tests/discovery/namespace.h"

namespace weft::discovery::test {
namespace {

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

Link home() {
  return {3, "eth0", false, {{ip("192.168.1.2"), 24}, {ip("fd00::2"), 64}, {ip("fe80::2"), 64}}};
}

// FAULTS 28.
TEST(Link, HearsItsOwnNetworksAndIpv6LinkLocalOnly) {
  const Link link = home();
  for (const char* near : {"192.168.1.9", "192.168.1.2", "fd00::9", "fe80::1234"}) {
    EXPECT_TRUE(link.on_link(ip(near))) << near;
  }
  for (const char* far : {"192.168.2.9", "8.8.8.8", "2001:db8::1", "127.0.0.1", "::1"}) {
    EXPECT_FALSE(link.on_link(ip(far))) << far;
  }
}

TEST(Link, AHintMustBeOneHostOnTheLink) {
  const Link link = home();
  EXPECT_TRUE(link.worth_trying(ip("192.168.1.9")) && link.worth_trying(ip("fe80::9")));
  for (const char* bad : {"0.0.0.0", "::", "224.0.0.251", "ff02::fb", "255.255.255.255",
                          "127.0.0.1", "::1", "8.8.8.8", "169.254.169.254"}) {
    EXPECT_FALSE(link.worth_trying(ip(bad))) << bad;
  }
  const Link lo{1, "lo", true, {{ip("127.0.0.1"), 8}}};
  EXPECT_TRUE(lo.worth_trying(ip("127.0.0.1")));
  EXPECT_FALSE(lo.worth_trying(ip("192.168.1.2")));
}

TEST(ScanLinks, FindsLoopbackOnlyWhenItIsNamed) {
  const std::vector<std::string> names = {"lo"};
  const auto named = scan_links(names);
  ASSERT_TRUE(named.ok()) << named.error().message;
  ASSERT_EQ(named->size(), 1u);
  const Link& lo = named->front();
  EXPECT_TRUE(lo.loopback && lo.index > 0);
  EXPECT_TRUE(lo.has(IpAddress::v4(127, 0, 0, 1)));
  EXPECT_TRUE(lo.on_link(IpAddress::v4(127, 3, 2, 1))) << "the mask has 8 bits";
  const auto all = scan_links({});
  ASSERT_TRUE(all.ok());
  for (const Link& link : *all) EXPECT_FALSE(link.loopback) << link.name;
}

TEST(ScanLinks, LeavesOutWhatIsDownOrHasNoAddressAndKeepsToTheLimits) {
  if (!can_make_networks()) GTEST_SKIP() << "skipped: needs root and the `ip` command";
  in_own_network([] {
    ASSERT_TRUE(command("ip link add down0 type veth peer name bare0"));
    ASSERT_TRUE(
        command("sysctl -w net.ipv6.conf.bare0.disable_ipv6=1 ||"
                " echo 1 > /proc/sys/net/ipv6/conf/bare0/disable_ipv6"));
    ASSERT_TRUE(command("ip addr add 10.79.0.1/24 dev down0; ip link set bare0 up"));
    for (int i = 0; i < 20; ++i) {
      const std::string name = "many" + std::to_string(i);
      ASSERT_TRUE(command("ip link add " + name + " type veth peer name p" + name));
      ASSERT_TRUE(command("ip addr add 10.80." + std::to_string(i) + ".1/24 dev " + name +
                          " && ip link set " + name + " up"));
    }
    for (int i = 2; i < 20; ++i) {
      ASSERT_TRUE(command("ip addr add 10.80.0." + std::to_string(i) + "/24 dev many0"));
    }
    const auto links = scan_links({});
    ASSERT_TRUE(links.ok());
    EXPECT_EQ(links->size(), kLinksMax);
    for (const Link& link : *links) {
      EXPECT_NE(link.name, "down0");
      EXPECT_NE(link.name, "bare0");
      EXPECT_LE(link.addresses.size(), kLinkAddressesMax);
      if (link.name == "many0") {
        EXPECT_EQ(link.addresses.size(), kLinkAddressesMax);
      }
    }
  });
}

TEST(CheckInterfaceNames, ListsWhatThereIsWhenOneIsUnknown) {
  EXPECT_TRUE(check_interface_names({}).ok());
  const std::vector<std::string> names = {"lo", "wlan99"};
  const auto checked = check_interface_names(names);
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code, ErrorCode::kNotFound);
  EXPECT_NE(checked.error().message.find("\"wlan99\"; it has: lo"), std::string::npos)
      << checked.error().message;
}

}  // namespace
}  // namespace weft::discovery::test

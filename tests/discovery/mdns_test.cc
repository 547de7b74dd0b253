// Mdns with real sockets: two instances on `lo` of a network namespace made for the test. Where
// that is not allowed, the machine's own loopback is used under a service type nobody else has.
#include "discovery/mdns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/discovery/live.h"
#include "tests/discovery/namespace.h"
#include "tests/support/support.h"

namespace weft::discovery::test {
namespace {

std::string own_type() {
  return "_weft-" + std::to_string(getpid() % 100000) + "._tcp";
}

std::unique_ptr<Mdns> open_on_lo() {
  auto mdns = Mdns::open({own_type(), {"lo"}}, SystemClock().now());
  EXPECT_TRUE(mdns.ok()) << mdns.error().message;
  return mdns.ok() ? *std::move(mdns) : nullptr;
}

TEST(Mdns, TwoNodesOnLoopbackFindUpdateAndLoseOneAnother) {
  WEFT_SKIP_IF_EMULATED("socket options of multicast");
  in_own_network([] {
    using Kind = DiscoveryEvent::Kind;
    const SystemClock clock;
    auto a = open_on_lo();
    auto b = open_on_lo();
    ASSERT_TRUE(a && b);
    ASSERT_TRUE(a->publish({"alpha", 7001, {{"id", "aa"}, {"v", "1"}}}, clock.now()).ok());
    ASSERT_TRUE(b->publish({"beta", 7002, {{"id", "bb"}}}, clock.now()).ok());
    a->browse(clock.now());
    b->browse(clock.now());
    Watcher on_a(*a);
    Watcher on_b(*b);
    ASSERT_TRUE(run_until({a.get(), b.get()}, [&] {
      const bool a_saw = on_a.saw(Kind::kFound, "beta");
      return on_b.saw(Kind::kFound, "alpha") && a_saw;
    }));
    EXPECT_EQ(on_b.last().port, 7001);
    EXPECT_EQ(on_b.last().interface, "lo");
    EXPECT_THAT(on_b.last().addresses, testing::Contains("127.0.0.1"));
    EXPECT_EQ(on_b.last().txt, (TxtMap{{"id", "aa"}, {"v", "1"}}));
    EXPECT_GT(a->counters().own, 0u);

    ASSERT_TRUE(a->update_txt({{"id", "aa"}, {"join", "open"}}, clock.now()).ok());
    ASSERT_TRUE(run_until({a.get(), b.get()}, [&] { return on_b.saw(Kind::kUpdated, "alpha"); }));
    EXPECT_EQ(on_b.last().txt.at("join"), "open");

    a->withdraw(clock.now());
    EXPECT_TRUE(run_until({a.get(), b.get()}, [&] { return on_b.saw(Kind::kLost, "alpha"); }));
    EXPECT_FALSE(on_a.saw(Kind::kFound, "alpha")) << "a node reported itself";
  });
}

TEST(Mdns, ANameThatIsTakenGetsANumber) {
  WEFT_SKIP_IF_EMULATED("socket options of multicast");
  in_own_network([] {
    const SystemClock clock;
    auto a = open_on_lo();
    auto b = open_on_lo();
    ASSERT_TRUE(a && b);
    b->browse(clock.now());
    Watcher on_b(*b);
    ASSERT_TRUE(a->publish({"same", 7001, {}}, clock.now()).ok());
    ASSERT_TRUE(b->publish({"same", 7002, {}}, clock.now()).ok());
    ASSERT_TRUE(run_until({a.get(), b.get()}, [&] {
      return a->instance() != b->instance() &&
             on_b.saw(DiscoveryEvent::Kind::kFound, a->instance());
    }));
    EXPECT_TRUE(a->instance() == "same (2)" || b->instance() == "same (2)")
        << a->instance() << " / " << b->instance();
  });
}

TEST(Mdns, AnUnknownInterfaceIsNamedInTheError) {
  const auto mdns = Mdns::open({"_weft._tcp", {"nosuchif0"}}, SystemClock().now());
  ASSERT_FALSE(mdns.ok());
  EXPECT_EQ(mdns.error().code, ErrorCode::kNotFound);
  EXPECT_NE(mdns.error().message.find("nosuchif0"), std::string::npos);
  EXPECT_NE(mdns.error().message.find("lo"), std::string::npos) << mdns.error().message;
}

TEST(Mdns, AMalformedServiceTypeIsRefused) {
  EXPECT_EQ(Mdns::open({"weft", {}}, SystemClock().now()).error().code, ErrorCode::kInvalid);
}

TEST(Mdns, AnInterfaceThatAppearsIsUsedAndOneThatGoesIsLost) {
  WEFT_SKIP_IF_EMULATED("socket options of multicast");
  if (!can_make_networks()) GTEST_SKIP() << "skipped: needs root and the `ip` command";
  in_own_network([] {
    const SystemClock clock;
    auto opened = Mdns::open({own_type(), {}}, clock.now());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    Mdns& mdns = **opened;
    ASSERT_TRUE(mdns.publish({"alone", 7001, {}}, clock.now()).ok());
    EXPECT_TRUE(mdns.links().empty());
    ASSERT_TRUE(command("ip link add late0 type veth peer name late1"));
    ASSERT_TRUE(command("ip addr add 10.77.0.1/24 dev late0 && ip link set late0 up"));
    ASSERT_TRUE(command("ip link set late1 up"));
    const auto has_late = [&] {
      return std::any_of(mdns.links().begin(), mdns.links().end(),
                         [](const Link& link) { return link.name == "late0"; });
    };
    EXPECT_TRUE(run_until({&mdns}, has_late));
    EXPECT_FALSE(mdns.fds().empty());
    ASSERT_TRUE(command("ip link del late0"));
    EXPECT_TRUE(run_until({&mdns}, [&] { return mdns.links().empty() && mdns.fds().empty(); }));
  });
}

}  // namespace
}  // namespace weft::discovery::test

#include "discovery/multicast_socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "tests/discovery/namespace.h"
#include "tests/support/support.h"

namespace weft::discovery::test {
namespace {

constexpr int kPatienceMs = 5000;

std::optional<Datagram> next_datagram(MulticastSocket& socket, std::span<uint8_t> buffer,
                                      int patience_ms = kPatienceMs) {
  pollfd polled{socket.fd(), POLLIN, 0};
  if (poll(&polled, 1, patience_ms) != 1) return std::nullopt;
  auto datagram = socket.receive(buffer);
  EXPECT_TRUE(datagram.ok()) << datagram.error().message;
  return datagram.ok() ? *datagram : std::nullopt;
}

class OnOwnNetwork : public testing::Test {
 protected:
  void SetUp() override {
    WEFT_SKIP_IF_EMULATED("socket options of multicast");
    if (!can_make_networks()) GTEST_SKIP() << "skipped: needs root and the `ip` command";
  }
  static Link link_named(const std::string& name) {
    const std::vector<std::string> names = {name};
    auto links = scan_links(names);
    EXPECT_TRUE(links.ok() && links->size() == 1);
    return links.ok() && !links->empty() ? links->front() : Link{};
  }
};

TEST_F(OnOwnNetwork, TwoSocketsOnLoopbackHearOneAnotherAndThemselves) {
  in_own_network([] {
    const Link lo = link_named("lo");
    auto a = MulticastSocket::open(lo, Family::kV4);
    auto b = MulticastSocket::open(lo, Family::kV4);
    ASSERT_TRUE(a.ok() && b.ok());
    ASSERT_TRUE(a->send(as_bytes("hello"), std::nullopt).ok());
    for (auto* socket : {&*a, &*b}) {
      std::array<uint8_t, 100> buffer;
      const auto heard = next_datagram(*socket, buffer);
      ASSERT_TRUE(heard.has_value());
      EXPECT_EQ(as_text(heard->bytes), "hello");
      EXPECT_EQ(heard->arrival.link, lo.index);
      EXPECT_TRUE(heard->arrival.multicast);
      EXPECT_EQ(heard->arrival.source, (Endpoint{IpAddress::v4(127, 0, 0, 1), kMdnsPort}));
    }
    std::array<uint8_t, 100> buffer;
    EXPECT_FALSE(a->receive(buffer)->has_value()) << "nothing more is waiting";
  });
}

TEST_F(OnOwnNetwork, ASocketHearsItsOwnInterfaceOnlyInBothFamilies) {
  in_own_network([] {
    const std::string here = std::to_string(gettid());
    Link right;
    std::vector<MulticastSocket> on_right;
    // A socket stays in the network it was opened in, so the other end of the wire may be used from
    // here when the thread that made it is gone.
    in_own_network([&] {
      ASSERT_TRUE(command("ip link add right type veth peer name left netns " + here));
      ASSERT_TRUE(command("ip addr add 10.81.0.2/24 dev right"));
      ASSERT_TRUE(command("ip addr add fe80::2/64 dev right nodad"));
      ASSERT_TRUE(command("ip link set right up"));
      right = link_named("right");
      for (const Family family : {Family::kV4, Family::kV6}) {
        auto opened = MulticastSocket::open(right, family);
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        on_right.push_back(*std::move(opened));
      }
    });
    ASSERT_EQ(on_right.size(), 2u);
    ASSERT_TRUE(command("ip addr add 10.81.0.1/24 dev left"));
    ASSERT_TRUE(command("ip addr add fe80::1/64 dev left nodad"));
    ASSERT_TRUE(command("ip link set left up"));
    const Link left = link_named("left");
    auto on_lo = MulticastSocket::open(link_named("lo"), Family::kV4);
    ASSERT_TRUE(on_lo.ok());
    for (MulticastSocket& receiver : on_right) {
      auto on_left = MulticastSocket::open(left, receiver.family());
      ASSERT_TRUE(on_left.ok()) << on_left.error().message;
      // A link that just came up may refuse or swallow the first packets.
      std::array<uint8_t, 100> buffer;
      std::optional<Datagram> heard;
      for (int tries = 0; tries < 40 && !heard; ++tries) {
        const bool sent = on_left->send(as_bytes("over"), std::nullopt).ok();
        heard = next_datagram(receiver, buffer, 200);
        EXPECT_TRUE(sent || !heard);
      }
      ASSERT_TRUE(heard.has_value()) << (receiver.family() == Family::kV4 ? "IPv4" : "IPv6");
      EXPECT_EQ(heard->arrival.link, right.index);
      EXPECT_TRUE(left.has(heard->arrival.source.address)) << heard->arrival.source.address.text();
      EXPECT_TRUE(next_datagram(*on_left, buffer).has_value()) << "its own, looped back";
      EXPECT_FALSE(on_lo->receive(buffer)->has_value());
    }
  });
}

TEST_F(OnOwnNetwork, ADatagramLargerThanTheBufferIsDroppedAndTheNextIsRead) {
  in_own_network([] {
    auto socket = MulticastSocket::open(link_named("lo"), Family::kV4);
    ASSERT_TRUE(socket.ok());
    ASSERT_TRUE(socket->send(Bytes(200, 1), std::nullopt).ok());
    ASSERT_TRUE(socket->send(Bytes(10, 2), std::nullopt).ok());
    std::array<uint8_t, 100> buffer;
    const auto heard = next_datagram(*socket, buffer);
    ASSERT_TRUE(heard.has_value());
    EXPECT_EQ(heard->bytes.size(), 10u);
  });
}

TEST_F(OnOwnNetwork, APortThatIsHeldWithoutSharingIsAConflictThatSaysWhatToDo) {
  in_own_network([] {
    const FileDescriptor held(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(kMdnsPort);
    ASSERT_EQ(bind(held.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    const auto opened = MulticastSocket::open(link_named("lo"), Family::kV4);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::kConflict);
    EXPECT_NE(opened.error().message.find("--seed-peer"), std::string::npos);
  });
}

TEST(MulticastSocket, ALinkWithoutAnAddressOfTheFamilyIsUnsupported) {
  const Link link{1, "lo", true, {{IpAddress::v4(127, 0, 0, 1), 8}}};
  EXPECT_EQ(MulticastSocket::open(link, Family::kV6).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace weft::discovery::test

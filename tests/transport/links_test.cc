#include "transport/links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <zmq.h>

#include <array>
#include <functional>

#include "base/file.h"
#include "base/text.h"
#include "tests/transport/frames.h"
#include "transport/bundle.h"

namespace weft::transport {
namespace {

using ::testing::HasSubstr;
using crypto::CurveKeys;

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}

// Members by key; tests change it while links run.
struct Membership {
  std::map<crypto::CurveKey, NodeId> members;
  std::optional<NodeId> find(const crypto::CurveKey& key) const {
    const auto found = members.find(key);
    if (found == members.end()) return std::nullopt;
    return found->second;
  }
};

struct TestNode {
  TestNode(uint8_t number, Membership& membership)
      : id(node_id(number)), keys(CurveKeys::generate()), book(membership) {}
  void open() {
    auto opened = Links::open({id, &keys, "127.0.0.1:0",
                               [this](const crypto::CurveKey& key) { return book.find(key); }});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    links = std::move(*opened);
  }
  std::string address() const { return cat("127.0.0.1:", links->port()); }

  NodeId id;
  CurveKeys keys;
  Membership& book;
  std::unique_ptr<Links> links;
};

// A TCP connection that says nothing.
FileDescriptor test_connect(uint16_t port) {
  FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

void turn(Links& links) {
  const int descriptors[] = {links.inbox(), links.door()};
  wait_readable(descriptors, milliseconds(5));
  links.serve(SystemClock().now());
}

// Turns all links until `done` or five seconds have passed.
bool pump(std::vector<Links*> all, const std::function<bool()>& done) {
  const SystemClock clock;
  const Time deadline = clock.now() + seconds(5);
  while (!done()) {
    if (clock.now() > deadline) return false;
    for (Links* links : all) turn(*links);
  }
  return true;
}

class LinksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    a.open();
    b.open();
    book.members = {{a.keys.public_key(), a.id}, {b.keys.public_key(), b.id}};
  }
  void connect(TestNode& from, TestNode& to) {
    ASSERT_TRUE(from.links->dial(to.id, to.keys.public_key(), to.address()).ok());
    ASSERT_TRUE(pump({from.links.get(), to.links.get()}, [&] { return from.links->is_up(to.id); }));
  }
  // A hand-made client of `to`, past our own sending side.
  ZmqSocket raw_client(const ZmqContext& context, const CurveKeys& keys, TestNode& to) {
    ZmqSocket socket(context, ZMQ_DEALER);
    socket.dial_curve(keys, to.keys.public_key());
    EXPECT_TRUE(socket.connect("tcp://" + to.address()).ok());
    return socket;
  }
  bool receives(TestNode& node, Duration timeout) {
    const SystemClock clock;
    const Time deadline = clock.now() + timeout;
    while (clock.now() < deadline) {
      turn(*node.links);
      if (!node.links->take_messages().empty()) return true;
    }
    return false;
  }

  Membership book;
  TestNode a{1, book}, b{2, book};
};

TEST_F(LinksTest, AMessageArrivesWithItsSenderKnownByKey) {
  connect(a, b);
  Step step;
  step.token_count = 1;
  step.hidden = SharedBytes::adopt(std::vector<float>{1.5f, -2});
  ASSERT_TRUE(a.links->send(b.id, step).ok());
  std::vector<ReceivedMessage> got;
  ASSERT_TRUE(pump({a.links.get(), b.links.get()}, [&] {
    got = b.links->take_messages();
    return !got.empty();
  }));
  EXPECT_EQ(got[0].from, a.id);
  EXPECT_EQ(got[0].address, "127.0.0.1");
  EXPECT_EQ(std::get<Step>(got[0].message).hidden.floats()[1], -2);
}

TEST_F(LinksTest, WhatIsSentTogetherArrivesInOrderAndSmallFramesInOneTurn) {
  connect(a, b);
  Step large;
  large.token_count = 1;
  large.hidden = SharedBytes::adopt(Bytes(100'000));
  std::vector<Message> messages;
  for (uint64_t i = 0; i < 8; ++i) messages.push_back(Activate{{i}});
  messages.push_back(large);
  for (uint64_t i = 8; i < 8 + 2 * kBundleFramesMax; ++i) messages.push_back(Activate{{i}});
  std::vector<const Message*> pointers;
  for (const Message& message : messages) pointers.push_back(&message);
  const uint64_t bytes_before = a.links->counters().bytes_out;
  for (const Result<>& sent : a.links->send_all(b.id, pointers)) EXPECT_TRUE(sent.ok());
  EXPECT_GT(a.links->counters().bytes_out, bytes_before + 100'000);
  std::vector<ReceivedMessage> got;
  std::vector<size_t> turns;
  ASSERT_TRUE(pump({b.links.get()}, [&] {
    auto more = b.links->take_messages();
    if (!more.empty()) turns.push_back(more.size());
    std::move(more.begin(), more.end(), std::back_inserter(got));
    return got.size() == messages.size();
  }));
  EXPECT_GE(turns.front(), 8u) << "the bundle came apart";
  uint64_t next = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].message.index(), messages[i].index()) << i;
    if (const auto* one = std::get_if<Activate>(&got[i].message)) {
      EXPECT_EQ(one->epoch.value, next++);
    }
  }
}

TEST_F(LinksTest, AWordAheadMakesTheInboxReadableAndIsNoMessage) {
  connect(a, b);
  a.links->announce(a.id);  // no link: nothing happens
  while (!b.links->take_messages().empty() || wait_readable(std::array{b.links->inbox()}, {})) {
    b.links->receive();
  }
  const LinkCounters before = b.links->counters();
  a.links->announce(b.id);
  ASSERT_TRUE(wait_readable(std::array{b.links->inbox()}, seconds(5)));
  b.links->receive();
  EXPECT_TRUE(b.links->take_messages().empty());
  EXPECT_TRUE(b.links->take_announced());
  EXPECT_FALSE(b.links->take_announced());
  EXPECT_FALSE(wait_readable(std::array{b.links->inbox()}, {}));
  EXPECT_EQ(b.links->counters().dropped_frames, before.dropped_frames);
  EXPECT_EQ(b.links->counters().frames_in, before.frames_in);
  ASSERT_TRUE(a.links->send(b.id, Activate{{1}}).ok());
  EXPECT_TRUE(receives(b, seconds(5)));
}

// Several threads may wait for the same inbox: it is readable for all until one has read.
TEST_F(LinksTest, TheInboxSaysThatMessagesCameUntilTheyAreReadAndWhatALimitLeftIsTold) {
  connect(a, b);
  while (!b.links->take_messages().empty() || wait_readable(std::array{b.links->inbox()}, {})) {
    b.links->receive();
  }
  EXPECT_FALSE(b.links->is_behind());
  // Not bundled: each is a message of libzmq's.
  constexpr size_t kSent = kMessagesPerPoll + 10;
  for (size_t i = 0; i < kSent; ++i) ASSERT_TRUE(a.links->send(b.id, Activate{{1}}).ok());
  const int inbox[] = {b.links->inbox()};
  ASSERT_TRUE(wait_readable(inbox, seconds(5)));
  EXPECT_TRUE(wait_readable(inbox, Duration(0))) << "one wait must not hide it from another";
  wait_readable({}, milliseconds(200));  // most of them are there: more than one reading takes
  size_t got = 0;
  while (got < kSent) {
    // What is left unread without a word would never be read.
    if (!b.links->is_behind()) {
      ASSERT_TRUE(wait_readable(inbox, seconds(5)));
    }
    b.links->receive();
    got += b.links->take_messages().size();
  }
  EXPECT_EQ(got, kSent);
}

TEST_F(LinksTest, EachMessageThatCannotBeSentIsSaid) {
  const Message one = Activate{{1}};
  const Message* const pointers[] = {&one, &one};
  const auto down = a.links->send_all(b.id, pointers);
  ASSERT_EQ(down.size(), 2u);
  EXPECT_EQ(down[1].error().code, ErrorCode::kUnavailable);
  connect(a, b);
  Step huge;
  huge.token_count = 1;
  huge.hidden = SharedBytes::adopt(Bytes(kFrameBytesMax));
  const Message too_large = huge;
  const Message* const mixed[] = {&one, &too_large, &one};
  const auto sent = a.links->send_all(b.id, mixed);
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_TRUE(sent[0].ok() && sent[2].ok());
  EXPECT_EQ(sent[1].error().code, ErrorCode::kInvalid);
}

TEST_F(LinksTest, AStrangersMessageIsNotDelivered) {
  const ZmqContext context;
  ZmqSocket stranger = raw_client(context, CurveKeys::generate(), b);
  ASSERT_TRUE(stranger.send(frame_bytes(Activate{{1}}, a.id, 1)).ok());
  EXPECT_FALSE(receives(b, milliseconds(400)));
  EXPECT_EQ(b.links->counters().frames_in, 0u);
  EXPECT_GE(b.links->counters().refused_handshakes, 1u);
}

TEST_F(LinksTest, PlainAndNullGreetingsAreNotDelivered) {
  const ZmqContext context;
  ZmqSocket null_client(context, ZMQ_DEALER), plain_client(context, ZMQ_DEALER);
  plain_client.set(ZMQ_PLAIN_USERNAME, "admin");
  plain_client.set(ZMQ_PLAIN_PASSWORD, "admin");
  for (ZmqSocket* client : {&null_client, &plain_client}) {
    ASSERT_TRUE(client->connect("tcp://" + b.address()).ok());
    ASSERT_TRUE(client->send(frame_bytes(Activate{{1}}, a.id, 1)).ok());
  }
  EXPECT_FALSE(receives(b, milliseconds(400)));
  EXPECT_EQ(b.links->counters().frames_in, 0u);
}

TEST_F(LinksTest, AMemberWhoClaimsToBeAnotherIsDropped) {
  const ZmqContext context;
  ZmqSocket member = raw_client(context, a.keys, b);
  ASSERT_TRUE(member.send(frame_bytes(Activate{{1}}, node_id(9), 1)).ok());
  EXPECT_FALSE(receives(b, milliseconds(300)));
  EXPECT_EQ(b.links->counters().dropped_frames, 1u);
}

TEST_F(LinksTest, MultiPartMessagesAreReadAwayAndNotParsed) {
  const ZmqContext context;
  ZmqSocket member = raw_client(context, a.keys, b);
  const Bytes frame = frame_bytes(Activate{{1}}, a.id, 1);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(member.send(frame, true).ok());
  ASSERT_TRUE(member.send(frame).ok());
  EXPECT_FALSE(receives(b, milliseconds(300)));
  EXPECT_EQ(b.links->counters().dropped_frames, 1u);
  ASSERT_TRUE(member.send(frame).ok());  // a good one after it is read
  EXPECT_TRUE(receives(b, seconds(5)));
}

TEST_F(LinksTest, AFrameOverTheLimitEndsTheConnectionNotTheNode) {
  const ZmqContext context;
  ZmqSocket member = raw_client(context, a.keys, b);
  const int64_t no_limit = -1;
  member.set(ZMQ_MAXMSGSIZE, {reinterpret_cast<const char*>(&no_limit), sizeof no_limit});
  ASSERT_TRUE(member.send(Bytes(kFrameBytesMax * 4)).ok());
  EXPECT_FALSE(receives(b, milliseconds(300)));
  connect(a, b);
  ASSERT_TRUE(a.links->send(b.id, Activate{{1}}).ok());
  EXPECT_TRUE(receives(b, seconds(5)));
}

TEST_F(LinksTest, ARevokedMembersOpenConnectionDeliversNothing) {
  connect(a, b);
  book.members.erase(a.keys.public_key());
  ASSERT_TRUE(a.links->send(b.id, Activate{{1}}).ok());
  EXPECT_FALSE(receives(b, milliseconds(300)));
  EXPECT_EQ(b.links->counters().dropped_frames, 1u);
  ASSERT_TRUE(b.links->rebind().ok());
  EXPECT_TRUE(pump({a.links.get(), b.links.get()}, [&] { return !a.links->is_up(b.id); }));
}

TEST_F(LinksTest, AClientRefusedOnceGetsInAfterItsApproval) {
  book.members.erase(a.keys.public_key());
  ASSERT_TRUE(a.links->dial(b.id, b.keys.public_key(), b.address()).ok());
  bool refused = false;
  ASSERT_TRUE(pump({a.links.get(), b.links.get()}, [&] {
    for (const LinkEvent& event : a.links->take_events()) {
      refused = refused || event.state == LinkState::kRefused;
    }
    return refused;
  }));
  book.members[a.keys.public_key()] = a.id;
  EXPECT_TRUE(pump({a.links.get(), b.links.get()}, [&] { return a.links->is_up(b.id); }));
}

TEST_F(LinksTest, MembersComeBackByThemselvesAfterARebind) {
  connect(a, b);
  const uint16_t port = b.links->port();
  ASSERT_TRUE(b.links->rebind().ok());
  EXPECT_EQ(b.links->port(), port);
  // What is sent before the break is noticed is lost; once the link is back, messages arrive.
  EXPECT_TRUE(pump({a.links.get(), b.links.get()}, [&] {
    (void)a.links->send(b.id, Activate{{1}});
    return !b.links->take_messages().empty();
  }));
}

TEST_F(LinksTest, AMemberCannotTakeAnothersConnectionByRoutingId) {
  // Identity is the key of the connection: a chosen routing id changes nothing of it.
  connect(a, b);
  const CurveKeys third = CurveKeys::generate();
  book.members[third.public_key()] = node_id(3);
  const ZmqContext context;
  ZmqSocket member(context, ZMQ_DEALER);
  member.set(ZMQ_ROUTING_ID, "node-a");
  member.dial_curve(third, b.keys.public_key());
  ASSERT_TRUE(member.connect("tcp://" + b.address()).ok());
  ASSERT_TRUE(member.send(frame_bytes(Activate{{1}}, node_id(3), 1)).ok());
  std::vector<ReceivedMessage> got;
  ASSERT_TRUE(pump({b.links.get()}, [&] {
    got = b.links->take_messages();
    return !got.empty();
  }));
  EXPECT_EQ(got[0].from, node_id(3));
  ASSERT_TRUE(a.links->send(b.id, Activate{{2}}).ok());
  ASSERT_TRUE(pump({a.links.get(), b.links.get()}, [&] {
    got = b.links->take_messages();
    return !got.empty();
  }));
  EXPECT_EQ(got[0].from, a.id);
}

TEST_F(LinksTest, SilentConnectionsDoNotKeepMembersOut) {
  std::vector<FileDescriptor> silent;
  for (int i = 0; i < 300; ++i) silent.push_back(test_connect(b.links->port()));
  const SystemClock clock;
  const Time start = clock.now();
  connect(a, b);
  EXPECT_LT(to_seconds(clock.now() - start), 3.0);
}

TEST_F(LinksTest, APortInUseIsAConflictThatNamesTheFlag) {
  const auto second = Links::open({a.id, &a.keys, b.address(),
                                   [](const crypto::CurveKey&) { return std::nullopt; }});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr("--mesh"));
}

TEST_F(LinksTest, SendingWithoutALinkIsUnavailableAndNeverWaits) {
  EXPECT_EQ(a.links->send(b.id, Activate{{1}}).error().code, ErrorCode::kUnavailable);
}

TEST_F(LinksTest, AFullQueueIsExhaustedAndNeverGrows) {
  connect(a, b);
  Chunk chunk;
  chunk.data = SharedBytes::adopt(Bytes(kPayloadBytesMax));
  Result<> sent;
  for (int i = 0; i < 3000 && sent.ok(); ++i) sent = a.links->send(b.id, chunk);
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace weft::transport

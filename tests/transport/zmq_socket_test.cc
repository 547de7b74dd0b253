#include "transport/zmq_socket.h"

#include <gtest/gtest.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/text.h"
#include "tests/support/wait.h"
#include "transport/message.h"

namespace weft::transport {
namespace {

// The next part, or nothing within five seconds.
std::optional<ReceivedPart> wait_part(ZmqSocket& socket) {
  zmq_pollitem_t item{socket.get(), 0, ZMQ_POLLIN, 0};
  zmq_poll(&item, 1, 5000);
  return socket.receive();
}

TEST(ZmqSocket, APortInUseIsAConflict) {
  const ZmqContext context;
  ZmqSocket first(context, ZMQ_ROUTER), second(context, ZMQ_ROUTER);
  ASSERT_TRUE(first.bind("tcp://127.0.0.1:0").ok());
  const auto bound = second.bind(first.last_endpoint());
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.error().code, ErrorCode::kConflict);
}

TEST(ZmqSocket, AnEndpointThatIsNoneIsAnIoErrorThatNamesIt) {
  const ZmqContext context;
  ZmqSocket socket(context, ZMQ_ROUTER);
  const auto bound = socket.bind("tcp://nowhere");
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.error().code, ErrorCode::kIo);
  EXPECT_NE(bound.error().message.find("tcp://nowhere"), std::string::npos);
}

TEST(ZmqSocket, PartsArriveInOrderAndSayWhetherMoreFollow) {
  const ZmqContext context;
  ZmqSocket server(context, ZMQ_DEALER), client(context, ZMQ_DEALER);
  ASSERT_TRUE(server.bind("tcp://127.0.0.1:0").ok());
  ASSERT_TRUE(client.connect(server.last_endpoint()).ok());
  ASSERT_TRUE(client.send(as_bytes("one"), true).ok());
  ASSERT_TRUE(client.send(as_bytes("two")).ok());
  const auto one = wait_part(server), two = wait_part(server);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(as_text(one->bytes.view()), "one");
  EXPECT_TRUE(one->more);
  EXPECT_EQ(as_text(two->bytes.view()), "two");
  EXPECT_FALSE(two->more);
  EXPECT_EQ(two->peer_address, "127.0.0.1");
  EXPECT_FALSE(server.receive());
}

TEST(ZmqSocket, ASharedPartIsSentFromWhereItIsAndThenLetGo) {
  const ZmqContext context;
  ZmqSocket server(context, ZMQ_DEALER), client(context, ZMQ_DEALER);
  ASSERT_TRUE(server.bind("tcp://127.0.0.1:0").ok());
  ASSERT_TRUE(client.connect(server.last_endpoint()).ok());
  SharedBytes part = SharedBytes::adopt(Bytes(100'000, 7));
  const std::weak_ptr<const void> owner = part.owner();
  ASSERT_TRUE(client.send(std::move(part)).ok());
  const auto received = wait_part(server);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes.size(), 100'000u);
  EXPECT_EQ(received->bytes.view()[99'999], 7);
  client = ZmqSocket();  // closed: nothing of it is in flight any more
  server = ZmqSocket();
  EXPECT_TRUE(test::wait_until([&] { return owner.expired(); }));
}

TEST(ZmqSocket, ASharedPartThatCannotBeSentIsLetGoAtOnce) {
  const ZmqContext context;
  ZmqSocket server(context, ZMQ_DEALER);
  ASSERT_TRUE(server.bind("tcp://127.0.0.1:0").ok());
  SharedBytes part = SharedBytes::adopt(Bytes(100, 7));
  const std::weak_ptr<const void> owner = part.owner();
  EXPECT_EQ(server.send(std::move(part)).error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(owner.expired());
}

TEST(ZmqSocket, SendingWithNobodyThereIsExhaustedAndDoesNotWait) {
  const ZmqContext context;
  ZmqSocket server(context, ZMQ_DEALER);
  ASSERT_TRUE(server.bind("tcp://127.0.0.1:0").ok());
  EXPECT_EQ(server.send(as_bytes("x")).error().code, ErrorCode::kExhausted);
}

TEST(ZmqSocket, TheMonitorTellsThatTheHandshakeSucceeded) {
  const ZmqContext context;
  ZmqSocket server(context, ZMQ_DEALER);
  ASSERT_TRUE(server.bind("tcp://127.0.0.1:0").ok());
  ZmqSocket monitor;  // goes after the socket that it watches
  ZmqSocket client(context, ZMQ_DEALER);
  monitor = client.monitor(context);
  ASSERT_TRUE(client.connect(server.last_endpoint()).ok());
  bool succeeded = false;
  for (int i = 0; i < 20 && !succeeded; ++i) {
    zmq_pollitem_t item{monitor.get(), 0, ZMQ_POLLIN, 0};
    zmq_poll(&item, 1, 1000);
    const auto event = receive_event(monitor);
    ASSERT_TRUE(event) << "no event within a second";
    succeeded = event->event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
  }
  EXPECT_TRUE(succeeded);
}

TEST(ZmqSocket, AMovedSocketIsOwnedOnce) {
  const ZmqContext context;
  ZmqSocket first(context, ZMQ_DEALER);
  ZmqSocket second(std::move(first));
  EXPECT_TRUE(second.valid());
  EXPECT_FALSE(first.valid());
  first = std::move(second);
  EXPECT_TRUE(first.valid());
}

}  // namespace
}  // namespace weft::transport

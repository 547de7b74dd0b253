#include "transport/zap.h"

#include <gtest/gtest.h>
#include <zmq.h>

#include <vector>

namespace weft::transport {
namespace {

using Parts = std::vector<std::string>;

// Asks the handler as libzmq does: a REQ socket on the in-process endpoint.
class ZapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = ZapHandler::open(
        context_, [this](std::string_view domain,
                         const crypto::CurveKey& key) -> std::optional<std::string> {
          if (domain != "known" || key != key_) return std::nullopt;
          return "member-1";
        });
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    handler_.emplace(std::move(*opened));
    asker_ = ZmqSocket(context_, ZMQ_REQ);
    ASSERT_TRUE(asker_.connect("inproc://zeromq.zap.01").ok());
  }
  std::string key_text() const { return std::string(as_text(key_.bytes)); }
  Parts request(const std::string& domain, const std::string& mechanism,
                const std::string& credentials) const {
    return {"1.0", "7", domain, "10.0.0.9", "", mechanism, credentials};
  }
  // The reply's parts; `refused` is what serve() counted.
  Parts ask(const Parts& request, int& refused) {
    for (size_t i = 0; i < request.size(); ++i) {
      EXPECT_TRUE(asker_.send(as_bytes(request[i]), i + 1 < request.size()).ok());
    }
    zmq_pollitem_t item{handler_->socket(), 0, ZMQ_POLLIN, 0};
    EXPECT_EQ(zmq_poll(&item, 1, 5000), 1);
    refused = handler_->serve();
    Parts reply;
    zmq_pollitem_t answer{asker_.get(), 0, ZMQ_POLLIN, 0};
    EXPECT_EQ(zmq_poll(&answer, 1, 5000), 1);
    for (auto part = asker_.receive(); part; part = asker_.receive()) {
      reply.push_back(std::string(as_text(part->bytes.view())));
      if (!part->more) break;
    }
    return reply;
  }

  const crypto::CurveKey key_ = crypto::CurveKeys::generate().public_key();
  ZmqContext context_;
  std::optional<ZapHandler> handler_;
  ZmqSocket asker_;
};

TEST_F(ZapTest, AKnownKeyIsAdmittedWithItsUserId) {
  int refused = -1;
  const Parts reply = ask(request("known", "CURVE", key_text()), refused);
  EXPECT_EQ(reply, (Parts{"1.0", "7", "200", "OK", "member-1", ""}));
  EXPECT_EQ(refused, 0);
}

TEST_F(ZapTest, AnUnknownDomainIsRefused) {
  int refused = -1;
  const Parts reply = ask(request("other", "CURVE", key_text()), refused);
  EXPECT_EQ(reply, (Parts{"1.0", "7", "400", "refused", "", ""}));
  EXPECT_EQ(refused, 1);
}

TEST_F(ZapTest, OtherMechanismsAndShortKeysAreRefused) {
  for (const Parts& wrong : {request("known", "NULL", ""), request("known", "PLAIN", "admin"),
                             request("known", "CURVE", "short"), Parts{"1.0", "7"}}) {
    int refused = -1;
    const Parts reply = ask(wrong, refused);
    ASSERT_EQ(reply.size(), 6u);
    EXPECT_EQ(reply[2], "400");
    EXPECT_EQ(refused, 1);
  }
}

TEST_F(ZapTest, AStrangersKeyIsRefusedAndTheNextMemberGetsIn) {
  const crypto::CurveKey stranger = crypto::CurveKeys::generate().public_key();
  int refused = -1;
  EXPECT_EQ(ask(request("known", "CURVE", std::string(as_text(stranger.bytes))), refused)[2],
            "400");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask(request("known", "CURVE", key_text()), refused)[2], "200");
  }
}

TEST_F(ZapTest, NothingWaitingIsNoRefusal) { EXPECT_EQ(handler_->serve(), 0); }

TEST_F(ZapTest, AContextHasOneHandlerOnly) {
  const auto second = ZapHandler::open(
      context_, [](std::string_view, const crypto::CurveKey&) { return std::nullopt; });
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
}

}  // namespace
}  // namespace weft::transport

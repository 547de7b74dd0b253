#include "transport/join_socket.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/text.h"

namespace weft::transport {
namespace {

using crypto::CurveKeys;

class JoinSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = JoinListener::open("127.0.0.1:0", server_, client_.public_key());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    listener_ = std::move(*opened);
  }
  std::unique_ptr<JoinDialer> dial(const CurveKeys& own) {
    auto opened = JoinDialer::open(cat("127.0.0.1:", listener_->port()), own, server_.public_key());
    EXPECT_TRUE(opened.ok());
    return std::move(*opened);
  }

  const CurveKeys server_ = CurveKeys::generate(), client_ = CurveKeys::generate();
  std::unique_ptr<JoinListener> listener_;
};

TEST_F(JoinSocketTest, TheRightCodesKeyExchangesFrames) {
  std::optional<JoinFrame> got;
  std::thread owner([&] {
    got = listener_->wait(seconds(10));
    if (got) {
      EXPECT_TRUE(listener_->reply(*got, as_bytes("welcome")).ok());
    }
  });
  const auto joiner = dial(client_);
  EXPECT_EQ(joiner->wait_connected(seconds(10)), DialProgress::kConnected);
  EXPECT_TRUE(joiner->send(as_bytes("hello")).ok());
  const auto answer = joiner->wait(seconds(10));
  owner.join();
  ASSERT_TRUE(got);
  EXPECT_EQ(as_text(got->bytes), "hello");
  EXPECT_EQ(got->address, "127.0.0.1");
  ASSERT_TRUE(answer);
  EXPECT_EQ(as_text(*answer), "welcome");
  EXPECT_EQ(listener_->refused(), 0);
}

TEST_F(JoinSocketTest, AWrongKeyReachesNothingAndCountsAsRefused) {
  std::optional<JoinFrame> got;
  std::atomic<bool> done{false};
  std::thread owner([&] {
    while (!done && !got) got = listener_->wait(milliseconds(20));
  });
  const auto joiner = dial(CurveKeys::generate());
  EXPECT_EQ(joiner->wait_connected(seconds(10)), DialProgress::kRefused);
  EXPECT_FALSE(joiner->send(as_bytes("hello")).ok());
  done = true;
  owner.join();
  EXPECT_FALSE(got);
  EXPECT_GE(listener_->refused(), 1);
}

TEST_F(JoinSocketTest, WaitingEndsWithNothingWhenTheTimeIsOver) {
  const SystemClock clock;
  const Time start = clock.now();
  EXPECT_FALSE(listener_->wait(milliseconds(30)));
  EXPECT_GE(clock.now() - start, milliseconds(30));
  const auto joiner = dial(client_);  // nobody serves its handshake
  EXPECT_EQ(joiner->wait_connected(milliseconds(30)), DialProgress::kWaiting);
  EXPECT_FALSE(joiner->wait(milliseconds(30)));
}

TEST_F(JoinSocketTest, AReplyLargerThanAFrameIsRefusedHere) {
  const auto replied = listener_->reply({}, Bytes(kJoinFrameBytesMax + 1));
  ASSERT_FALSE(replied.ok());
  EXPECT_EQ(replied.error().code, ErrorCode::kInvalid);
}

TEST_F(JoinSocketTest, APortInUseIsAConflict) {
  const auto second = JoinListener::open(cat("127.0.0.1:", listener_->port()), server_,
                                         client_.public_key());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
}

}  // namespace
}  // namespace weft::transport

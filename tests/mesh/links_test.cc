#include "mesh/links.h"

#include <gtest/gtest.h>

#include "mesh/limits.h"

namespace weft::mesh {
namespace {

NodeId id(uint8_t number) {
  NodeId node;
  node.bytes.fill(number);
  return node;
}

// A link of the given round trip and bandwidth: echoes what Links sends.
class LinksTest : public ::testing::Test {
 protected:
  void run(Duration duration, bool idle) {
    for (Duration done{}; done < duration; done += milliseconds(10)) {
      now_ = now_ + milliseconds(10);
      links_.tick(idle, now_);
      for (const Effect& effect : outbox_.take_effects()) {
        transport::LinkProbe probe = std::get<transport::LinkProbe>(std::get<Send>(effect).message);
        sizes_.push_back(probe.payload.size());
        probe.reply = true;
        const double transfer = 2.0 * double(probe.payload.size()) / bytes_per_s_;
        const Time back = now_ + Duration(int64_t(1e9 * (round_trip_s_ + transfer)));
        if (echo_) links_.on_probe(id(2), probe, back);
      }
    }
  }
  Outbox outbox_{id(1)};
  Links links_{outbox_};
  Time now_{1000};
  std::vector<size_t> sizes_;
  double round_trip_s_ = 0.004, bytes_per_s_ = 10e6;
  bool echo_ = true;
};

TEST_F(LinksTest, ALinkIsMeasuredSoonAfterItIsUp) {
  links_.on_up(id(2), now_);
  run(seconds(1), true);
  const auto measures = links_.measures();
  ASSERT_EQ(measures.size(), 1u);
  EXPECT_EQ(measures[0].peer, id(2));
  EXPECT_NEAR(measures[0].round_trip_s, 0.004, 0.0005);
  EXPECT_NEAR(measures[0].bytes_per_s, 10e6, 1e6);
}

TEST_F(LinksTest, PingsAreSmallAndEveryTwoSecondsAndBlocksOnceAMinute) {
  links_.on_up(id(2), now_);
  run(seconds(120), true);
  EXPECT_EQ(std::count(sizes_.begin(), sizes_.end(), kBandwidthBytes), 2);
  EXPECT_NEAR(double(std::count(sizes_.begin(), sizes_.end(), kPingBytes)), 60, 3);
}

TEST_F(LinksTest, WhileStreamsRunNoBlockIsSentAfterTheFirst) {
  links_.on_up(id(2), now_);
  run(seconds(120), false);
  EXPECT_EQ(std::count(sizes_.begin(), sizes_.end(), kBandwidthBytes), 1);
}

TEST_F(LinksTest, ASlowSampleMovesTheRoundTripLittleAFastOneAtOnce) {
  links_.on_up(id(2), now_);
  run(seconds(1), true);
  round_trip_s_ = 0.104;
  run(seconds(2), true);
  EXPECT_LT(links_.measures()[0].round_trip_s, 0.010);
  round_trip_s_ = 0.001;
  run(seconds(2), true);
  EXPECT_NEAR(links_.measures()[0].round_trip_s, 0.001, 0.0001);
}

TEST_F(LinksTest, EchoesThatWereNotAskedForChangeNothing) {
  links_.on_up(id(2), now_);
  links_.on_probe(id(2), {99, true, SharedBytes::adopt(Bytes(kPingBytes))}, now_);
  links_.on_probe(id(3), {1, true, SharedBytes::adopt(Bytes(kPingBytes))}, now_);
  EXPECT_TRUE(links_.measures().empty());
}

TEST_F(LinksTest, APeersProbeIsEchoedWhole) {
  links_.on_probe(id(2), {5, false, SharedBytes::adopt(Bytes(100, 3))}, now_);
  const auto effects = outbox_.take_effects();
  ASSERT_EQ(effects.size(), 1u);
  const auto& probe = std::get<transport::LinkProbe>(std::get<Send>(effects[0]).message);
  EXPECT_TRUE(probe.reply);
  EXPECT_EQ(probe.number, 5u);
  EXPECT_EQ(probe.payload.size(), 100u);
  links_.on_probe(id(2), {6, false, SharedBytes::adopt(Bytes(kBandwidthBytes + 1))}, now_);
  EXPECT_TRUE(outbox_.take_effects().empty()) << "larger than any probe of ours";
}

TEST_F(LinksTest, ALostProbeIsFollowedByTheNext) {
  links_.on_up(id(2), now_);
  echo_ = false;
  run(seconds(5), true);
  echo_ = true;
  run(seconds(5), true);
  EXPECT_EQ(links_.measures().size(), 1u);
}

}  // namespace
}  // namespace weft::mesh

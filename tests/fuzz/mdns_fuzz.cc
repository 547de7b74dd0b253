// libFuzzer target: one datagram from a neighbour, first through the parser, then through an engine
// that publishes and browses. Whatever is accepted must be written and read back as the same.
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "discovery/engine.h"

namespace {

using namespace weft;             // NOLINT: a fuzz target is one file
using namespace weft::discovery;  // NOLINT

constexpr Time kStart{1'000'000'000'000};

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "mdns_fuzz: %s\n", what);
  std::abort();
}

void check_round_trip(const Message& message) {
  size_t bytes = 12;
  for (const auto& question : message.questions) bytes += estimated_bytes(question);
  for (const auto* section : {&message.answers, &message.authorities, &message.additionals}) {
    for (const auto& record : *section) bytes += estimated_bytes(record);
  }
  // Names may have been compressed against bytes inside opaque data; written out they are longer.
  if (bytes > kMessageBytesMax) return;
  const auto again = parse_message(write_message(message));
  require(again.ok() && *again == message, "a message changes when written and read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  set_log_level(LogLevel::kOff);
  const ByteView datagram(data, size);
  const auto message = parse_message(datagram);
  if (message.ok()) check_round_trip(*message);

  Engine engine(service_type_name("_weft._tcp").value(), 1);
  engine.set_links({{7, "lan0", false, {{IpAddress::v4(192, 168, 1, 1), 24}}}}, kStart);
  require(engine.publish({"lamp", 7001, {{"id", "x"}}}, kStart).ok(), "publish failed");
  engine.browse(kStart);
  Time now = kStart;
  const Arrival arrival{7, {IpAddress::v4(192, 168, 1, 5), kMdnsPort}, true};
  for (int step = 0; step < 12; ++step) {
    engine.tick(now);
    require(engine.take_packets(now).size() < 16, "one datagram makes a storm");
    if (step == 0 || step == 2 || step == 8) engine.on_datagram(datagram, arrival, now);
    engine.take_events();
    now = now + milliseconds(250);
  }
  require(engine.browser().service_count() <= kServicesMax, "too many services");
  return 0;
}

#include "transport/zap.h"

#include <zmq.h>

#include <algorithm>
#include <vector>

namespace weft::transport {
namespace {

// version, request id, domain, address, identity, mechanism, credentials
constexpr size_t kRequestParts = 7;
constexpr int kRequestsPerCall = 256;

}  // namespace

Result<ZapHandler> ZapHandler::open(const ZmqContext& context, Admit admit) {
  ZmqSocket socket(context, ZMQ_REP);
  WEFT_CHECK(socket.bind("inproc://zeromq.zap.01"));
  return ZapHandler(std::move(socket), std::move(admit));
}

int ZapHandler::serve() {
  int refused = 0;
  for (int i = 0; i < kRequestsPerCall; ++i) {
    std::vector<ReceivedPart> parts;
    for (auto part = socket_.receive(); part; part = socket_.receive()) {
      parts.push_back(std::move(*part));
      if (!parts.back().more) break;
    }
    if (parts.empty()) break;
    // libzmq itself makes these requests; a wrong one is answered all the same, REP demands it.
    std::optional<std::string> user;
    if (parts.size() == kRequestParts && as_text(parts[5].bytes.view()) == "CURVE" &&
        parts[6].bytes.size() == sizeof(crypto::CurveKey::bytes)) {
      crypto::CurveKey key;
      const ByteView sent = parts[6].bytes.view();
      std::copy(sent.begin(), sent.end(), key.bytes.begin());
      user = admit_(as_text(parts[2].bytes.view()), key);
    }
    if (!user) ++refused;
    const ByteView request_id = parts.size() > 1 ? parts[1].bytes.view() : ByteView();
    const std::string_view status = user ? "200" : "400", text = user ? "OK" : "refused";
    const std::string user_id = user.value_or("");
    const ByteView reply[] = {as_bytes("1.0"), request_id,        as_bytes(status),
                              as_bytes(text),  as_bytes(user_id), ByteView()};
    for (const ByteView& part : reply) {
      // An in-process socket with no queue limit reached: a failure only means the context ends.
      if (!socket_.send(part, &part != &reply[std::size(reply) - 1]).ok()) return refused;
    }
  }
  return refused;
}

}  // namespace weft::transport

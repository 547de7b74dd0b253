// The ZAP handler of one context: a pure look-up from a client's CURVE key to who it is. Served on
// the thread that calls `serve`, so it shares no state with any other. Source: RFC 27 (ZAP).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "transport/zmq_socket.h"

namespace weft::transport {

class ZapHandler {
 public:
  // The user id for a key under a domain, or nothing to refuse it.
  using Admit =
      std::function<std::optional<std::string>(std::string_view domain, const crypto::CurveKey&)>;

  // Binds inproc://zeromq.zap.01 of the context; it must be there before any socket is bound.
  static Result<ZapHandler> open(const ZmqContext& context, Admit admit);

  void* socket() const { return socket_.get(); }
  int descriptor() const { return socket_.descriptor(); }
  // Answers what waits; never blocks. Returns how many were refused.
  int serve();

 private:
  ZapHandler(ZmqSocket socket, Admit admit)
      : socket_(std::move(socket)), admit_(std::move(admit)) {}
  ZmqSocket socket_;
  Admit admit_;
};

}  // namespace weft::transport

#include "transport/join_socket.h"

#include <zmq.h>

#include "base/file.h"
#include "base/text.h"

namespace weft::transport {
namespace {

constexpr std::string_view kDomain = "weft-join";

Bytes copy_of(const SharedBytes& part) { return {part.view().begin(), part.view().end()}; }

}  // namespace

Result<std::unique_ptr<JoinListener>> JoinListener::open(const std::string& listen,
                                                         const crypto::CurveKeys& own,
                                                         const crypto::CurveKey& client) {
  std::unique_ptr<JoinListener> listener(new JoinListener());
  WEFT_TRY(ZapHandler zap,
           ZapHandler::open(listener->context_,
                            [client](std::string_view domain,
                                     const crypto::CurveKey& key) -> std::optional<std::string> {
                              if (domain != kDomain || key != client) return std::nullopt;
                              return "joiner";
                            }));
  listener->zap_.emplace(std::move(zap));
  listener->socket_ = ZmqSocket(listener->context_, ZMQ_ROUTER);
  listener->socket_.serve_curve(own, kDomain);
  WEFT_CHECK(listener->socket_.bind("tcp://" + listen));
  const std::string endpoint = listener->socket_.last_endpoint();
  WEFT_TRY(const uint64_t port, parse_u64(endpoint.substr(endpoint.rfind(':') + 1)));
  listener->port_ = uint16_t(port);
  return listener;
}

std::optional<JoinFrame> JoinListener::wait(Duration timeout) {
  const SystemClock clock;
  const Time deadline = clock.now() + timeout;
  while (true) {
    if (auto frame = receive()) return frame;
    const int ms = poll_milliseconds(deadline - clock.now());
    if (ms == 0) return std::nullopt;
    zmq_pollitem_t items[] = {{zap_->socket(), 0, ZMQ_POLLIN, 0},
                              {socket_.get(), 0, ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, ms) < 0) return std::nullopt;  // a signal: the caller decides
    refused_ += zap_->serve();
  }
}

std::optional<JoinFrame> JoinListener::receive() {
  for (int i = 0; i < kJoinFramesPerConnectionMax; ++i) {
    auto routing_id = socket_.receive();
    if (!routing_id) return std::nullopt;
    auto payload = routing_id->more ? socket_.receive() : std::nullopt;
    if (!payload) continue;
    if (!payload->more && payload->user_id == "joiner") {
      return JoinFrame{copy_of(routing_id->bytes), copy_of(payload->bytes),
                       std::move(payload->peer_address)};
    }
    while (payload && payload->more) payload = socket_.receive();
  }
  return std::nullopt;
}

Result<> JoinListener::reply(const JoinFrame& to, ByteView bytes) {
  if (bytes.size() > kJoinFrameBytesMax) {
    return Error(ErrorCode::kInvalid, "the reply to a join is larger than a frame");
  }
  WEFT_CHECK(socket_.send(to.routing_id, true));
  return socket_.send(bytes);
}

Result<std::unique_ptr<JoinDialer>> JoinDialer::open(const std::string& address,
                                                     const crypto::CurveKeys& own,
                                                     const crypto::CurveKey& server) {
  std::unique_ptr<JoinDialer> dialer(new JoinDialer());
  dialer->socket_ = ZmqSocket(dialer->context_, ZMQ_DEALER);
  dialer->socket_.dial_curve(own, server);
  dialer->socket_.set(ZMQ_IMMEDIATE, 1);
  dialer->monitor_ = dialer->socket_.monitor(dialer->context_);
  WEFT_CHECK(dialer->socket_.connect("tcp://" + address));
  return dialer;
}

DialProgress JoinDialer::wait_connected(Duration timeout) {
  const SystemClock clock;
  const Time deadline = clock.now() + timeout;
  while (progress_ == DialProgress::kWaiting) {
    while (const auto event = receive_event(monitor_)) {
      if (event->event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) progress_ = DialProgress::kConnected;
      if (event->event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) progress_ = DialProgress::kRefused;
    }
    const int ms = poll_milliseconds(deadline - clock.now());
    if (progress_ != DialProgress::kWaiting || ms == 0) break;
    zmq_pollitem_t item{monitor_.get(), 0, ZMQ_POLLIN, 0};
    if (zmq_poll(&item, 1, ms) < 0) break;
  }
  return progress_;
}

Result<> JoinDialer::send(ByteView bytes) { return socket_.send(bytes); }

std::optional<Bytes> JoinDialer::wait(Duration timeout) {
  zmq_pollitem_t item{socket_.get(), 0, ZMQ_POLLIN, 0};
  zmq_poll(&item, 1, long(timeout.count() / 1'000'000));
  auto part = socket_.receive();
  if (!part) return std::nullopt;
  if (!part->more) return copy_of(part->bytes);
  while (part && part->more) part = socket_.receive();
  return std::nullopt;
}

}  // namespace weft::transport

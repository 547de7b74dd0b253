// The temporary socket of a join: both sides' CURVE keys come from the invite's secret, so only who
// has the code completes the handshake, and a wrong code never reaches a parser. The frames are
// opaque here; crypto makes and reads them.
//
// Blocking calls with a timeout, for a command's own thread. Each object has its own context.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "transport/message.h"
#include "transport/zap.h"

namespace weft::transport {

inline constexpr size_t kJoinFrameBytesMax = kFrameBytesMax;  // the reply holds the roster
inline constexpr int kJoinFramesPerConnectionMax = 16;

// A joiner's frame, and the connection to answer on.
struct JoinFrame {
  Bytes routing_id;
  Bytes bytes;
  std::string address;  // numeric, for the owner to see
};

class JoinListener {
 public:
  // listen: "0.0.0.0:0" takes a free port. Only `client` is admitted.
  static Result<std::unique_ptr<JoinListener>> open(const std::string& listen,
                                                    const crypto::CurveKeys& own,
                                                    const crypto::CurveKey& client);
  uint16_t port() const { return port_; }
  // The next frame; nothing when the time is over.
  std::optional<JoinFrame> wait(Duration timeout);
  Result<> reply(const JoinFrame& to, ByteView bytes);
  // Handshakes with a key other than the code's, so far.
  int refused() const { return refused_; }

 private:
  JoinListener() = default;
  std::optional<JoinFrame> receive();

  ZmqContext context_;
  std::optional<ZapHandler> zap_;
  ZmqSocket socket_;
  uint16_t port_ = 0;
  int refused_ = 0;
};

enum class DialProgress { kWaiting, kConnected, kRefused };

class JoinDialer {
 public:
  // Starts to connect to "192.168.1.7:40123"; `server` is the key that must answer.
  static Result<std::unique_ptr<JoinDialer>> open(const std::string& address,
                                                  const crypto::CurveKeys& own,
                                                  const crypto::CurveKey& server);
  // How far the connection is, once it has changed or the time is over. kRefused: the other side
  // does not know this code.
  DialProgress wait_connected(Duration timeout);
  Result<> send(ByteView bytes);
  // The next frame; nothing when the time is over.
  std::optional<Bytes> wait(Duration timeout);

 private:
  JoinDialer() = default;

  ZmqContext context_;
  ZmqSocket monitor_, socket_;  // in this order: the monitored socket goes first
  DialProgress progress_ = DialProgress::kWaiting;
};

}  // namespace weft::transport

// RAII for libzmq: one wrapper per C handle, and the options that every socket of ours has.
// Source: libzmq 4.3.4, zmq_setsockopt(3); RFC 26 (CurveZMQ), RFC 27 (ZAP).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/keys.h"

namespace weft::transport {

class ZmqContext {
 public:
  ZmqContext();
  ~ZmqContext();
  ZmqContext(const ZmqContext&) = delete;
  ZmqContext& operator=(const ZmqContext&) = delete;
  void* get() const { return context_; }

 private:
  void* context_;
};

// One part of a received message, with what the connection's authentication said of it.
struct ReceivedPart {
  SharedBytes bytes;  // libzmq's own memory, not copied
  bool more = false;
  std::string user_id;       // what our ZAP handler answered; empty on a routing-id part
  std::string peer_address;  // of the connection, numeric
};

class ZmqSocket {
 public:
  ZmqSocket() = default;
  // type: ZMQ_ROUTER and so on. Sets the bounds that every socket of ours has.
  ZmqSocket(const ZmqContext& context, int type);
  ZmqSocket(ZmqSocket&& other) noexcept;
  ZmqSocket& operator=(ZmqSocket&& other) noexcept;
  ~ZmqSocket();

  void* get() const { return socket_; }
  bool valid() const { return socket_ != nullptr; }

  void set(int option, int value);
  void set(int option, std::string_view value);
  // CURVE as the server; every connection is put to the ZAP handler of this context under `domain`.
  void serve_curve(const crypto::CurveKeys& own, std::string_view domain);
  // CURVE as the client of a server with this key.
  void dial_curve(const crypto::CurveKeys& own, const crypto::CurveKey& server);

  // kConflict if the port is in use. After it, last_endpoint() has the port that was taken.
  Result<> bind(const std::string& endpoint);
  Result<> connect(const std::string& endpoint);
  std::string last_endpoint() const;
  // Readable when something has happened to the socket since receive() last gave nothing; it never
  // says what. For reading nothing but readiness, by any thread.
  int descriptor() const;
  // Starts a monitor and gives the socket that its events come from. Destroy this socket before it:
  // libzmq's own thread waits for ever on a monitor that nobody reads.
  ZmqSocket monitor(const ZmqContext& context);

  // Never waits: kExhausted if no connection stands or its queue is full (libzmq does not say
  // which).
  Result<> send(ByteView part, bool more = false);
  // The same without a copy: libzmq reads the part where it is and lets go of it, on a thread of
  // its own, once it is sent.
  Result<> send(SharedBytes part);
  // Nothing if no part waits.
  std::optional<ReceivedPart> receive();

 private:
  void close();

  void* socket_ = nullptr;
};

// An event of a monitor socket: ZMQ_EVENT_..., and its value.
struct MonitorEvent {
  uint16_t event;
  uint32_t value;
};
std::optional<MonitorEvent> receive_event(ZmqSocket& monitor);

}  // namespace weft::transport

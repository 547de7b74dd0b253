#include "transport/zmq_socket.h"

#include <zmq.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "base/text.h"
#include "transport/message.h"

namespace weft::transport {
namespace {

constexpr int kIoThreads = 1;
constexpr int kQueueMessagesMax = 512;  // per connection and direction
constexpr int kHandshakeMs = 2000;      // libzmq's own default is 30 s
constexpr int kHeartbeatMs = 1000;
constexpr int kHeartbeatTimeoutMs = 3000;
constexpr int kLingerMs = 200;  // for a last goodbye
constexpr int kReconnectMs = 100;
constexpr int kReconnectMaxMs = 2000;
constexpr int kBacklog = 256;
// A draft option in the header of 4.3.4, accepted by its builds: without it, a domain alone lets
// strangers in where no ZAP handler answers.
constexpr int kZapEnforceDomain = 93;

// "::ffff:192.168.1.7", as a socket for both families names an IPv4 peer, is "192.168.1.7".
std::string without_v4_prefix(std::string_view address) {
  constexpr std::string_view kPrefix = "::ffff:";
  if (address.starts_with(kPrefix) && address.find('.') != std::string_view::npos) {
    address.remove_prefix(kPrefix.size());
  }
  return std::string(address);
}

// Of a send that has just failed.
Error send_error() {
  if (errno == EAGAIN) {
    return Error(ErrorCode::kExhausted, "the link is down or its queue is full");
  }
  return Error(ErrorCode::kIo, cat("send: ", zmq_strerror(errno)));
}

}  // namespace

#if defined(__SANITIZE_THREAD__)
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
extern "C" void __tsan_release(void* address);
extern "C" void __tsan_acquire(void* address);
#endif

namespace {

// While this lives, ThreadSanitizer does not look at what this thread reads: it cannot see how
// libzmq, which is not built for it, hands a message from one of its threads to its receiver.
class UnwatchedReads {
 public:
#if defined(__SANITIZE_THREAD__)
  UnwatchedReads() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  }
  ~UnwatchedReads() {
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  UnwatchedReads() {}
  ~UnwatchedReads() {}
#endif
  UnwatchedReads(const UnwatchedReads&) = delete;
  UnwatchedReads& operator=(const UnwatchedReads&) = delete;
};

// What the thread did that gives `address` away comes before what the one does that takes it.
void give_away([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(address);
#endif
}
void take([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(address);
#endif
}

}  // namespace

ZmqContext::ZmqContext() : context_(zmq_ctx_new()) {
  WEFT_ASSERT(context_ != nullptr);
  zmq_ctx_set(context_, ZMQ_IO_THREADS, kIoThreads);
}

ZmqContext::~ZmqContext() {
  while (zmq_ctx_term(context_) != 0 && errno == EINTR) {
  }
}

ZmqSocket::ZmqSocket(const ZmqContext& context, int type)
    : socket_(zmq_socket(context.get(), type)) {
  WEFT_ASSERT(socket_ != nullptr);
  set(ZMQ_LINGER, kLingerMs);
  if (type == ZMQ_PAIR || type == ZMQ_REP) return;
  const int64_t message_bytes_max = kFrameBytesMax;
  set(ZMQ_MAXMSGSIZE, {reinterpret_cast<const char*>(&message_bytes_max), sizeof(int64_t)});
  set(ZMQ_SNDHWM, kQueueMessagesMax);
  set(ZMQ_RCVHWM, kQueueMessagesMax);
  set(ZMQ_HANDSHAKE_IVL, kHandshakeMs);
  set(ZMQ_HEARTBEAT_IVL, kHeartbeatMs);
  set(ZMQ_HEARTBEAT_TIMEOUT, kHeartbeatTimeoutMs);
  set(ZMQ_RECONNECT_IVL, kReconnectMs);
  set(ZMQ_RECONNECT_IVL_MAX, kReconnectMaxMs);
  set(ZMQ_BACKLOG, kBacklog);
  set(ZMQ_IPV6, 1);
}

ZmqSocket::ZmqSocket(ZmqSocket&& other) noexcept : socket_(other.socket_) {
  other.socket_ = nullptr;
}

ZmqSocket& ZmqSocket::operator=(ZmqSocket&& other) noexcept {
  if (this != &other) {
    close();
    socket_ = other.socket_;
    other.socket_ = nullptr;
  }
  return *this;
}

ZmqSocket::~ZmqSocket() {
  close();
}

void ZmqSocket::close() {
  if (!socket_) return;
  zmq_socket_monitor(socket_, nullptr, 0);  // at once; zmq_close alone would stop it only later
  zmq_close(socket_);
  socket_ = nullptr;
}

void ZmqSocket::set(int option, int value) {
  const int rc = zmq_setsockopt(socket_, option, &value, sizeof value);
  WEFT_ASSERT(rc == 0);
}

void ZmqSocket::set(int option, std::string_view value) {
  const int rc = zmq_setsockopt(socket_, option, value.data(), value.size());
  WEFT_ASSERT(rc == 0);
}

void ZmqSocket::serve_curve(const crypto::CurveKeys& own, std::string_view domain) {
  set(ZMQ_CURVE_SERVER, 1);
  set(ZMQ_CURVE_SECRETKEY, as_text(own.secret_key()));
  set(ZMQ_ZAP_DOMAIN, domain);
  set(kZapEnforceDomain, 1);
}

void ZmqSocket::dial_curve(const crypto::CurveKeys& own, const crypto::CurveKey& server) {
  set(ZMQ_CURVE_PUBLICKEY, as_text(own.public_key().bytes));
  set(ZMQ_CURVE_SECRETKEY, as_text(own.secret_key()));
  set(ZMQ_CURVE_SERVERKEY, as_text(server.bytes));
}

Result<> ZmqSocket::bind(const std::string& endpoint) {
  if (zmq_bind(socket_, endpoint.c_str()) == 0) return {};
  const int error = errno;
  return Error(error == EADDRINUSE ? ErrorCode::kConflict : ErrorCode::kIo,
               cat("listen on ", endpoint, ": ", zmq_strerror(error)));
}

Result<> ZmqSocket::connect(const std::string& endpoint) {
  if (zmq_connect(socket_, endpoint.c_str()) == 0) return {};
  return Error(ErrorCode::kInvalid, cat("connect to ", endpoint, ": ", zmq_strerror(errno)));
}

std::string ZmqSocket::last_endpoint() const {
  char text[256];
  size_t size = sizeof text;
  if (zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, text, &size) != 0) return "";
  return text;
}

int ZmqSocket::descriptor() const {
  int fd = -1;
  size_t size = sizeof fd;
  const int rc = zmq_getsockopt(socket_, ZMQ_FD, &fd, &size);
  WEFT_ASSERT(rc == 0);
  return fd;
}

ZmqSocket ZmqSocket::monitor(const ZmqContext& context) {
  static std::atomic<uint64_t> number{0};
  const std::string endpoint = cat("inproc://monitor-", number++);
  int rc = zmq_socket_monitor(socket_, endpoint.c_str(), ZMQ_EVENT_ALL);
  WEFT_ASSERT(rc == 0);
  ZmqSocket pair(context, ZMQ_PAIR);
  rc = zmq_connect(pair.get(), endpoint.c_str());
  WEFT_ASSERT(rc == 0);
  return pair;
}

Result<> ZmqSocket::send(ByteView part, bool more) {
  const int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
  if (zmq_send(socket_, part.data(), part.size(), flags) >= 0) return {};
  return send_error();
}

Result<> ZmqSocket::send(SharedBytes part) {
  auto* const kept = new SharedBytes(std::move(part));
  zmq_msg_t message;
  const int rc = zmq_msg_init_data(
      &message, const_cast<uint8_t*>(kept->view().data()), kept->size(),
      [](void*, void* hint) {
        take(hint);
        delete static_cast<SharedBytes*>(hint);
      },
      kept);
  WEFT_ASSERT(rc == 0);  // fails only without memory
  give_away(kept);
  if (zmq_msg_send(&message, socket_, ZMQ_DONTWAIT) >= 0) return {};
  const auto failed = send_error();
  zmq_msg_close(&message);
  return failed;
}

std::optional<ReceivedPart> ZmqSocket::receive() {
  zmq_msg_t incoming;
  zmq_msg_init(&incoming);
  if (zmq_msg_recv(&incoming, socket_, ZMQ_DONTWAIT) < 0) {
    zmq_msg_close(&incoming);
    return std::nullopt;
  }
  const std::shared_ptr<zmq_msg_t> message(new zmq_msg_t, [](zmq_msg_t* m) {
    zmq_msg_close(m);
    delete m;
  });
  zmq_msg_init(message.get());
  zmq_msg_move(message.get(), &incoming);
  ReceivedPart part;
  part.bytes = SharedBytes(message, ByteView(static_cast<uint8_t*>(zmq_msg_data(message.get())),
                                             zmq_msg_size(message.get())));
  part.more = zmq_msg_more(message.get());
  const UnwatchedReads unwatched;
  if (const char* user = zmq_msg_gets(message.get(), "User-Id")) part.user_id = user;
  if (const char* address = zmq_msg_gets(message.get(), "Peer-Address")) {
    part.peer_address = without_v4_prefix(address);
  }
  return part;
}

std::optional<MonitorEvent> receive_event(ZmqSocket& monitor) {
  std::optional<ReceivedPart> head = monitor.receive();
  if (!head) return std::nullopt;
  while (head->more && monitor.receive().value_or(ReceivedPart{}).more) {
  }
  MonitorEvent event{};
  if (head->bytes.size() < 6) return event;
  std::memcpy(&event.event, head->bytes.view().data(), 2);
  std::memcpy(&event.value, head->bytes.view().data() + 2, 4);
  return event;
}

}  // namespace weft::transport

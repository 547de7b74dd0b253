#include "transport/links.h"

#include <sys/resource.h>
#include <zmq.h>

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "transport/bundle.h"
#include "transport/codec.h"

namespace weft::transport {
namespace {

constexpr std::string_view kDomain = "weft";
constexpr Duration kSelfTestTimeout = seconds(3);
constexpr Duration kRedialFirst = milliseconds(250);
constexpr Duration kRedialMax = seconds(5);
// Not polled with the rest: each would cost system calls at every message, and a link's coming and
// going can wait so long.
constexpr Duration kMonitorsEvery = milliseconds(25);
constexpr int kRedialDoublingsMax = 5;
constexpr int kRebindAttemptsMax =
    100;  // 10 ms apart: the old socket closes in libzmq's own thread
constexpr size_t kMessagesWaitingMax = 4096;

// The user id of a connection is its CURVE key in hexadecimal.
std::optional<crypto::CurveKey> key_of(const std::string& user_id) {
  crypto::CurveKey key;
  if (!parse_hex(user_id, key.bytes.data(), key.bytes.size()).ok()) return std::nullopt;
  return key;
}

// Where this process reaches its own listening socket.
std::string own_address(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  const std::string port = endpoint.substr(colon);
  if (endpoint.find("//0.0.0.0:") != std::string::npos) return "tcp://127.0.0.1" + port;
  if (endpoint.find("//[::]:") != std::string::npos) return "tcp://[::1]" + port;
  return endpoint;
}

int poll_for(std::span<zmq_pollitem_t> items, Duration timeout) {
  return zmq_poll(items.data(), int(items.size()), poll_milliseconds(timeout));
}

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Links::Links(LinksOptions options) : options_(std::move(options)) {}

Links::~Links() = default;

Result<std::unique_ptr<Links>> Links::open(LinksOptions options) {
  raise_descriptor_limit();
  std::unique_ptr<Links> links(new Links(std::move(options)));
  Links* self = links.get();
  WEFT_TRY(ZapHandler zap, ZapHandler::open(links->context_,
      [self](std::string_view domain,
           const crypto::CurveKey& key) -> std::optional<std::string> {
        if (domain != kDomain || !self->options_.member_of(key)) return std::nullopt;
        return to_string(key);
      }));
  links->zap_.emplace(std::move(zap));
  links->endpoint_ = "tcp://" + links->options_.listen;
  WEFT_CHECK(links->listen());
  WEFT_CHECK(links->self_test());
  return links;
}

Result<> Links::listen() {
  router_ = ZmqSocket(context_, ZMQ_ROUTER);
  router_.serve_curve(*options_.keys, kDomain);
  const auto bound = router_.bind(endpoint_);
  if (!bound.ok()) {
    Error error = bound.error();
    if (error.code == ErrorCode::kConflict) {
      error.message += "; another program has this port: choose one with --mesh ADDR:PORT";
    }
    return error;
  }
  endpoint_ = router_.last_endpoint();
  WEFT_TRY(const uint64_t port, parse_u64(endpoint_.substr(endpoint_.rfind(':') + 1)));
  port_ = uint16_t(port);
  return {};
}

Result<> Links::self_test() {
  ZmqSocket monitor, stranger(context_, ZMQ_DEALER);
  stranger.dial_curve(crypto::CurveKeys::generate(), options_.keys->public_key());
  monitor = stranger.monitor(context_);
  WEFT_CHECK(stranger.connect(own_address(endpoint_)));
  const SystemClock clock;
  const Time deadline = clock.now() + kSelfTestTimeout;
  while (clock.now() < deadline) {
    zmq_pollitem_t items[] = {{zap_->socket(), 0, ZMQ_POLLIN, 0},
                              {monitor.get(), 0, ZMQ_POLLIN, 0}};
    poll_for(items, deadline - clock.now());
    zap_->serve();
    while (const auto event = receive_event(monitor)) {
      if (event->event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) return {};
      if (event->event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        return Error(ErrorCode::kInternal,
                     "self-test: a stranger's key was let in; this libzmq does not enforce "
                     "authentication, so the node does not start");
      }
    }
  }
  return Error(ErrorCode::kInternal,
               cat("self-test: no answer from our own listening socket at ", endpoint_));
}

void Links::open_dealer(Dialled& link) {
  link.socket = ZmqSocket(context_, ZMQ_DEALER);  // ends the old one and its monitor first
  link.socket.dial_curve(*options_.keys, link.key);
  link.socket.set(ZMQ_IMMEDIATE, 1);  // nothing is queued for a connection that does not stand
  link.monitor = link.socket.monitor(context_);
  link.up = false;
  link.redial_at.reset();
  const auto connected = link.socket.connect("tcp://" + link.address);
  if (!connected.ok()) log_warn("link.address", {{"error", connected.error().message}});
}

Result<> Links::dial(NodeId peer, const crypto::CurveKey& key,
                     const std::string& address) {
  const auto found = links_.find(peer);
  if (found != links_.end() && found->second.key == key && found->second.address == address) {
    return {};
  }
  if (found == links_.end() && links_.size() >= kLinksMax) {
    return Error(ErrorCode::kExhausted, cat("a node links to at most ", kLinksMax, " others"));
  }
  hang_up(peer);
  Dialled& link = links_[peer];
  link.key = key;
  link.address = address;
  open_dealer(link);
  return {};
}

void Links::hang_up(NodeId peer) {
  const auto found = links_.find(peer);
  if (found == links_.end()) return;
  if (found->second.up) events_.push_back({peer, LinkState::kDown});
  links_.erase(found);
}

std::optional<std::string> Links::dialled_address(NodeId peer) const {
  const auto found = links_.find(peer);
  if (found == links_.end()) return std::nullopt;
  return found->second.address;
}

bool Links::is_up(NodeId peer) const {
  const auto found = links_.find(peer);
  return found != links_.end() && found->second.up;
}

Result<> Links::rebind() {
  router_.set(ZMQ_LINGER, 0);
  zmq_unbind(router_.get(), endpoint_.c_str());
  router_ = ZmqSocket();
  for (int attempt = 0;; ++attempt) {
    const auto listening = listen();
    if (listening.ok()) return {};
    if (listening.error().code != ErrorCode::kConflict || attempt == kRebindAttemptsMax) {
      return listening.error();
    }
    wait_readable({}, milliseconds(10));
  }
}

Result<> Links::send(NodeId to, const Message& message) {
  const Message* const one[] = {&message};
  return std::move(send_all(to, one).front());
}

std::vector<Result<>> Links::send_all(NodeId to, std::span<const Message* const> messages) {
  const auto found = links_.find(to);
  if (found == links_.end() || !found->second.up) {
    return std::vector<Result<>>(
        messages.size(), Error(ErrorCode::kUnavailable, cat("no link to ", short_string(to))));
  }
  Dialled& link = found->second;
  std::vector<Result<>> results;
  std::vector<SharedBytes> waiting;
  size_t waiting_bytes = kBundleHeadBytes;
  // Sends what waits; all of it has the same fate.
  const auto flush = [&] {
    if (waiting.empty()) return;
    const size_t count = waiting.size();
    const Result<> sent = send_bundled(link, waiting);
    if (!sent.ok()) std::fill(results.end() - long(count), results.end(), sent);
    waiting_bytes = kBundleHeadBytes;
  };
  for (const Message* const message : messages) {
    auto frame = encode(*message, options_.self, ++link.sequence);
    if (!frame.ok()) {
      flush();
      results.push_back(std::move(frame).error());
      continue;
    }
    const size_t bytes = bundled_size(frame->size());
    const bool alone = frame->size() > kBundledFrameBytesMax;
    if (alone || waiting.size() == kBundleFramesMax || waiting_bytes + bytes > kFrameBytesMax) {
      flush();
    }
    results.emplace_back();
    waiting.push_back(std::move(*frame));
    waiting_bytes += bytes;
    if (alone) flush();
  }
  flush();
  return results;
}

void Links::announce(NodeId to) {
  const auto found = links_.find(to);
  if (found != links_.end() && found->second.up) (void)found->second.socket.send(ByteView());
}

Result<> Links::send_bundled(Dialled& link, std::vector<SharedBytes>& frames) {
  const size_t count = frames.size();
  const std::vector<SharedBytes> taken = std::exchange(frames, {});
  SharedBytes message = count == 1 ? taken.front() : make_bundle(taken);
  const size_t bytes = message.size();
  WEFT_CHECK(link.socket.send(std::move(message)));
  counters_.frames_out += count;
  counters_.bytes_out += bytes;
  return {};
}

void Links::serve(Time now) {
  counters_.refused_handshakes += uint64_t(zap_->serve());
  receive();
  if (now >= monitors_due_) {
    monitors_due_ = now + kMonitorsEvery;
    for (auto& [peer, link] : links_) read_monitor(peer, link, now);
    redial_due(now);
  }
}

void Links::receive() {
  behind_ = false;
  for (int i = 0; i < kMessagesPerPoll && messages_.size() < kMessagesWaitingMax; ++i) {
    std::optional<ReceivedPart> routing_id = router_.receive();
    if (!routing_id) return;
    if (!routing_id->more) continue;
    std::optional<ReceivedPart> payload = router_.receive();
    if (!payload) return;
    if (!payload->more) {
      accept_message(*payload);
      continue;
    }
    // Multi-part: not this protocol. The rest is read away, none of it is parsed.
    ++counters_.dropped_frames;
    while (payload && payload->more) payload = router_.receive();
  }
  behind_ = true;
}

void Links::accept_message(const ReceivedPart& part) {
  counters_.bytes_in += part.bytes.size();
  const std::optional<crypto::CurveKey> key = key_of(part.user_id);
  const std::optional<NodeId> member = key ? options_.member_of(*key) : std::nullopt;
  if (!member) {  // revoked since the handshake
    ++counters_.frames_in;
    ++counters_.dropped_frames;
    return;
  }
  if (part.bytes.size() == 0) {  // a word ahead
    announced_ = true;
    return;
  }
  auto frames = open_bundle(part.bytes);
  if (!frames.ok()) {
    ++counters_.frames_in;
    ++counters_.dropped_frames;
    log_warn("link.bundle", {{"from", short_string(*member)}, {"error", frames.error().message}});
    return;
  }
  for (SharedBytes& frame : *frames) accept_frame(*member, part.peer_address, std::move(frame));
}

void Links::accept_frame(NodeId member, const std::string& address, SharedBytes bytes) {
  ++counters_.frames_in;
  auto frame = decode(std::move(bytes));
  if (!frame.ok()) {
    ++counters_.dropped_frames;
    log_warn("link.frame", {{"from", short_string(member)}, {"error", frame.error().message}});
    return;
  }
  if (frame->sender != member) {
    ++counters_.dropped_frames;
    log_warn("link.sender", {{"from", short_string(member)},
                             {"claims", short_string(frame->sender)}});
    return;
  }
  messages_.push_back({member, address, std::move(frame->message)});
}

void Links::read_monitor(NodeId peer, Dialled& link, Time now) {
  while (const auto event = receive_event(link.monitor)) {
    switch (event->event) {
      case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        link.up = true;
        link.refusals = 0;
        events_.push_back({peer, LinkState::kUp});
        break;
      case ZMQ_EVENT_DISCONNECTED:
        if (link.up) events_.push_back({peer, LinkState::kDown});
        link.up = false;
        break;
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: {
        // libzmq gives such a connection up for good: a fresh socket tries again, ever less often.
        const int doublings = std::min(link.refusals++, kRedialDoublingsMax);
        link.redial_at = now + std::min<Duration>(kRedialFirst * (1 << doublings), kRedialMax);
        events_.push_back({peer, LinkState::kRefused});
        break;
      }
      default: break;
    }
  }
}

void Links::redial_due(Time now) {
  for (auto& [peer, link] : links_) {
    if (link.redial_at && *link.redial_at <= now) open_dealer(link);
  }
}

std::vector<ReceivedMessage> Links::take_messages() {
  std::vector<ReceivedMessage> taken(std::make_move_iterator(messages_.begin()),
                                     std::make_move_iterator(messages_.end()));
  messages_.clear();
  return taken;
}

std::vector<LinkEvent> Links::take_events() { return std::exchange(events_, {}); }

}  // namespace weft::transport

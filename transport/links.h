// Links: encrypted, authenticated one-way links between members, over libzmq with CURVE.
//
// The way of a message: encode -> bundle -> the DEALER we dialled to that member -> CURVE -> its
// ROUTER -> ZAP said who the key belongs to -> decode -> ReceivedMessage. Each pair of members has
// two connections, one per direction: who dials knows from the roster which key must answer, and
// what comes in on the ROUTER is known by the key that the ZAP look-up admitted. No routing id, no
// message field and no mDNS record ever says who somebody is.
//
// What TRUST.md's traps ask for is done here: ZAP bound first and its domain enforced (1), small
// frames and short handshakes (2), single-part frames only (3), descriptors raised (4), identity
// checked at every message and the socket rebound after a revocation (5), a fresh socket after a
// refusal (6), identity read from the payload's part (7), routing ids never set (8).
//
// One call at a time, from any thread: whoever calls holds the node's lock. Waiting needs no lock:
// it is for descriptors.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "transport/network.h"
#include "transport/zap.h"

namespace weft::transport {

inline constexpr size_t kLinksMax = 64;
inline constexpr int kMessagesPerPoll = 256;  // so that timers get their turn

struct LinksOptions {
  NodeId self;
  const crypto::CurveKeys* keys = nullptr;  // this node's; outlives the links
  std::string listen;          // "0.0.0.0:7071"; port 0 takes a free one
  // The member whose current certificate has this key; asked for each handshake and each message.
  std::function<std::optional<NodeId>(const crypto::CurveKey&)> member_of;
};

struct ReceivedMessage {
  NodeId from;
  std::string address;  // of the connection, without port: "192.168.1.7"
  Message message;
};
enum class LinkState { kUp, kDown, kRefused };
struct LinkEvent {
  NodeId peer;
  LinkState state;
};

// Counters since the start, for metrics.
struct LinkCounters {
  uint64_t frames_in = 0, frames_out = 0, bytes_in = 0, bytes_out = 0;
  uint64_t refused_handshakes = 0;  // keys that ZAP did not know
  uint64_t dropped_frames = 0;      // malformed, multi-part, of a former member
};

class Links final : public Network {
 public:
  // Binds ZAP, then the listening socket, then proves with a throw-away key that a stranger is
  // refused. kConflict: the port is in use; kInternal: the self-test failed.
  static Result<std::unique_ptr<Links>> open(LinksOptions options);
  ~Links() override;

  // "tcp" port that is listened on.
  uint16_t port() const { return port_; }

  // Dials a member, or dials anew if the address or the key changed. kExhausted beyond kLinksMax.
  Result<> dial(NodeId peer, const crypto::CurveKey& key, const std::string& address);
  void hang_up(NodeId peer);
  std::optional<std::string> dialled_address(NodeId peer) const;
  bool is_up(NodeId peer) const;

  // A member was revoked: its open connections go, and everyone else dials again.
  Result<> rebind();

  Result<> send(NodeId to, const Message& message) override;
  // Sends these in their order, small ones bundled. The result of each: what went before one that
  // failed has been sent.
  std::vector<Result<>> send_all(NodeId to, std::span<const Message* const> messages);

  // A word ahead: messages to this member follow within a fraction of a millisecond. An empty
  // message goes out, which says nothing to a machine but wakes up every thread on the way, so that
  // none of what follows waits for that. Where it cannot go at once, it does not.
  void announce(NodeId to);

  // Readable when messages have come, or someone who dials is to be let in. To be asked for anew
  // before each wait, as rebind() changes the first.
  int inbox() const { return router_.descriptor(); }
  int door() const { return zap_->descriptor(); }
  // The last reading stopped at its limit: what is left does not make the inbox readable again.
  bool is_behind() const { return behind_; }

  // Whether a word ahead has come since this was last asked.
  bool take_announced() { return std::exchange(announced_, false); }

  // Takes messages in.
  void receive();
  // The same; serves ZAP; and now and then sees which links came up or broke (no descriptor tells)
  // and redials.
  void serve(Time now);
  std::vector<ReceivedMessage> take_messages();
  std::vector<LinkEvent> take_events();
  const LinkCounters& counters() const { return counters_; }

 private:
  struct Dialled {
    crypto::CurveKey key;
    std::string address;
    ZmqSocket monitor, socket;  // in this order: the monitored socket goes first
    bool up = false;
    uint64_t sequence = 0;
    int refusals = 0;               // in a row
    std::optional<Time> redial_at;  // a fresh socket is due then
  };

  explicit Links(LinksOptions options);
  Result<> listen();
  Result<> self_test();
  void open_dealer(Dialled& link);
  Result<> send_bundled(Dialled& link, std::vector<SharedBytes>& frames);
  void accept_message(const ReceivedPart& part);
  void accept_frame(NodeId member, const std::string& address, SharedBytes bytes);
  void read_monitor(NodeId peer, Dialled& link, Time now);
  void redial_due(Time now);

  LinksOptions options_;
  ZmqContext context_;
  std::optional<ZapHandler> zap_;
  ZmqSocket router_;
  std::string endpoint_;
  uint16_t port_ = 0;
  std::map<NodeId, Dialled> links_;
  std::deque<ReceivedMessage> messages_;
  std::vector<LinkEvent> events_;
  bool behind_ = false;
  bool announced_ = false;
  Time monitors_due_{};
  LinkCounters counters_;
};

// Raises the limit of open descriptors as far as the system lets us (trap 4).
void raise_descriptor_limit();

}  // namespace weft::transport

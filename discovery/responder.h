// Responder: owns this node's records and answers for them on every link. Pure: packets and times
// go in, packets come out; no socket, no clock.
//
// Per link: probe three times that the names are free, announce three times, then answer. Names
// taken by another get a number ("kitchen (2)") and start over. A withdrawn service says goodbye.
//
// Records: PTR <type> -> instance and PTR _services._dns-sd._udp -> type (shared); SRV and TXT of
// the instance, A and AAAA of a host name of our own (unique). The host name is not the system's,
// so a daemon that already answers for that one on the same machine is left in peace. No NSEC
// records are sent (RFC 6762 6.1 recommends, does not require them). Source: RFC 6762 sections 5.4,
// 6, 7.1, 7.2, 8, 9, 10; RFC 6763 section 9.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "discovery/dns_message.h"
#include "discovery/dns_sd.h"
#include "discovery/link.h"

namespace weft::discovery {

inline constexpr uint32_t kHostTtlSeconds = 120;    // SRV, A, AAAA: RFC 6762 section 10
inline constexpr uint32_t kOtherTtlSeconds = 4500;  // PTR, TXT
inline constexpr uint32_t kLegacyTtlSeconds = 10;   // RFC 6762 section 6.7
inline constexpr Time kNever{INT64_MAX};

class Responder {
 public:
  Responder(Name service_type, uint64_t seed);

  // Starts probing on all links; replaces what was published before. kInvalid as
  // check_announcement.
  Result<> publish(const ServiceAnnouncement& announcement, Time now);
  // Announces the new text; kInvalid as check_txt, or if nothing is published.
  Result<> set_txt(const TxtMap& txt, Time now);
  // Queues the goodbyes and forgets the service.
  void withdraw();

  // The links there are now. New ones are probed, changed addresses announced.
  void set_links(std::span<const Link> links, Time now);
  // A parsed message that passed the engine's checks.
  void on_message(const Message& message, const Arrival& arrival, Time now);
  // Sends what is due; returns when to call again at the latest (kNever if nothing is planned).
  Time tick(Time now);
  std::vector<OutPacket> take_packets();

  // The instance's full name as it is now, numbered if it had to be; nothing if unpublished.
  const std::optional<Name>& instance() const { return instance_; }
  // The port that is announced; 0 if unpublished.
  uint16_t port() const { return announcement_.port; }
  // True if all names are ours on `link`.
  bool established(int link) const;

 private:
  using Kinds = unsigned;  // a set of Kind bits
  enum Kind : Kinds {
    kServicePtr = 1,
    kMetaPtr = 2,
    kSrv = 4,
    kTxt = 8,
    kAddress = 16,
    kUnique = kSrv | kTxt | kAddress,
    kAll = 31,
  };
  static constexpr Kind kEachKind[] = {kServicePtr, kMetaPtr, kSrv, kTxt, kAddress};

  struct LinkState {
    Link link;
    bool probing = true;
    int step = 0;  // probes or announcements sent
    Time next = kNever;
    Kinds pending = 0;  // answers owed to the group
    Kinds urgent = 0;   // of these, the ones that defend a name
    Time pending_due = kNever;
    std::optional<Endpoint> pending_for;  // the only one who asked
    std::map<Kinds, Time> multicast_at;

    // Forgets all but the link.
    void restart() {
      LinkState fresh;
      fresh.link = std::move(link);
      *this = std::move(fresh);
    }
  };

  std::vector<Record> records(const LinkState& state, Kinds kinds) const;
  Kinds asked_kinds(const Question& question) const;
  Kinds without_known(const LinkState& state, Kinds kinds, std::span<const Record> known) const;
  bool ours(const Record& record) const;

  void start_probing(LinkState& state, Time now, Duration delay);
  void on_query(LinkState& state, const Message& query, const Arrival& arrival, Time now);
  void on_rival_probe(LinkState& state, const Message& query, Time now);
  void on_response(LinkState& state, const Message& response, Time now);
  void on_conflict(LinkState& state, Time now);
  void defend(LinkState& state, Kinds kinds, Time now);
  void rename(Time now);
  void set_names();

  void send_probe(LinkState& state);
  void send_records(LinkState& state, Kinds kinds, Time now);
  void send_unicast(LinkState& state, Kinds kinds, const Message& query, const Arrival& arrival);
  void send_pending(LinkState& state, Time now);
  void send_goodbye(const LinkState& state);
  Message response(const LinkState& state, Kinds answers) const;

  const Name service_type_;
  Random random_;
  ServiceAnnouncement announcement_;
  int number_ = 1;
  std::optional<Name> instance_;
  Name host_;
  std::map<int, LinkState> links_;
  int conflicts_ = 0;  // since conflicts_since_
  Time conflicts_since_{};
  std::vector<OutPacket> packets_;
};

}  // namespace weft::discovery

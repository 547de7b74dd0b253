// Browser: finds the instances of one service type on every link and keeps what is known of them as
// long as it lives. Pure: packets and times go in, packets and events come out.
//
// Asks for the type with growing pauses (1 s to 1 h), asks for what an instance lacks, asks again
// at 80, 85, 90 and 95 % of a record's life, forgets it when it ends, and one second after a
// goodbye unless it is announced again. Keeps only records about instances of its type; anything
// else in a packet costs nothing. Full, it keeps what it has and turns new ones away. Source: RFC
// 6762 sections 5.2, 7.1, 7.2, 10; RFC 6763 sections 4, 12.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "discovery/dns_message.h"
#include "discovery/dns_sd.h"
#include "discovery/link.h"

namespace weft::discovery {

inline constexpr size_t kServicesMax = 256;          // over all links
inline constexpr size_t kServicesPerSourceMax = 64;  // first heard from one address
inline constexpr size_t kServiceAddressesMax = 8;
inline constexpr uint32_t kTtlSecondsMax = 24 * 3600;  // a longer claim is cut to this
inline constexpr int kResolveTriesMax = 4;  // then an instance that never was whole is dropped
inline constexpr size_t kPacketBytesTarget = 1400;  // fits an Ethernet frame with its headers

class Browser {
 public:
  Browser(Name service_type, uint64_t seed);

  // Starts asking. Before it, nothing is kept.
  void start(Time now);
  // The links there are now; services of a link that went are lost at once.
  void set_links(std::span<const Link> links, Time now);
  // What we publish ourselves: ignored by name, and by address and port under any name.
  void set_own(std::optional<Name> instance, uint16_t port, Time now);
  // A parsed message that passed the engine's checks. Queries are ignored.
  void on_message(const Message& message, const Arrival& arrival, Time now);
  // Sends what is due, expires what has ended; returns when to call again (kNever: nothing
  // planned).
  Time tick(Time now);
  std::vector<OutPacket> take_packets();
  // What changed since the last call; each service is found, updated or lost at most once. A
  // service heard on two links is two services.
  std::vector<DiscoveryEvent> take_events();
  size_t service_count() const { return entries_.size(); }

 private:
  // A datum with its life. `refreshes` counts the questions asked to keep it.
  template <typename T>
  struct Timed {
    T value;
    Time received;
    Time expires;
    int refreshes;
  };
  struct Entry {
    Name name;
    IpAddress source;
    bool gone = false;  // to be reported lost, then erased
    Timed<bool> pointer{};
    std::optional<Timed<Srv>> srv;
    std::optional<Timed<TxtMap>> txt;
    std::vector<Timed<IpAddress>> addresses;
    int resolve_tries = 0;
    Time resolve_at{};
    std::optional<Service> reported;
  };
  struct LinkState {
    Link link;
    Time query_at{};
    Duration query_interval{};
  };
  using Key = std::pair<int, std::string>;  // link, lower-case name
  struct Questions {
    std::map<std::pair<RecordType, std::string>, Question> wanted;
    void add(const Name& name, RecordType type);
  };

  // `value` with the life that its record claims, cut to kTtlSecondsMax.
  template <typename T>
  static Timed<T> timed(const T& value, const Record& record, Time now);
  void restart_queries(LinkState& state, Time now);
  Entry* find(int link, const Name& name);
  void on_pointer(const LinkState& state, const Record& record, const Arrival& arrival, Time now);
  void on_srv(int link, const Record& record, Time now);
  void on_txt(int link, const Record& record, Time now);
  void on_address(const LinkState& state, const Record& record, Time now);
  void flush_addresses(const LinkState& state, std::span<const Record> records, Time now);
  bool has_room(const Arrival& arrival) const;
  void expire(Entry& entry, Time now);
  Time ask_about(Entry& entry, Questions& questions, Time now);
  std::optional<Service> service_of(const Link& link, const Entry& entry) const;
  bool whole(const Entry& entry) const;
  void send_questions(const LinkState& state, const Questions& questions, Time now);
  std::vector<Record> known_answers(const LinkState& state, Time now) const;

  const Name service_type_;
  Random random_;
  bool started_ = false;
  std::optional<Name> own_instance_;
  uint16_t own_port_ = 0;
  std::map<int, LinkState> links_;
  std::map<Key, Entry> entries_;
  std::vector<OutPacket> packets_;
};

}  // namespace weft::discovery

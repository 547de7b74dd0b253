#include "discovery/browser.h"

#include <algorithm>

#include "discovery/responder.h"

namespace weft::discovery {
namespace {

constexpr Duration kFirstQueryInterval = seconds(1);
constexpr Duration kQueryIntervalMax = seconds(3600);
constexpr Duration kResolveInterval = seconds(1);
constexpr Duration kGoodbyeDelay = seconds(1);  // RFC 6762 sections 10.1 and 10.2
constexpr int kRefreshesMax = 4;                // at 80, 85, 90 and 95 %

template <typename T>
void say_goodbye(T& timed, Time now) {
  timed.expires = std::min(timed.expires, now + kGoodbyeDelay);
  timed.refreshes = kRefreshesMax;
}

// When the next question for this datum is due, or its end if it was asked for often enough.
template <typename T>
Time next_refresh(const T& timed) {
  if (timed.refreshes >= kRefreshesMax) return timed.expires;
  const Duration life = timed.expires - timed.received;
  return timed.received + life / 100 * (80 + 5 * timed.refreshes);
}

// Counts the refreshes whose time has come; true if there are any.
template <typename T>
bool due_for_refresh(T& timed, Time now) {
  bool due = false;
  while (timed.refreshes < kRefreshesMax && next_refresh(timed) <= now) {
    timed.refreshes += 1;
    due = true;
  }
  return due;
}

}  // namespace

template <typename T>
Browser::Timed<T> Browser::timed(const T& value, const Record& record, Time now) {
  return {value, now, now + seconds(std::min(record.ttl_s, kTtlSecondsMax)), 0};
}

Browser::Browser(Name service_type, uint64_t seed)
    : service_type_(std::move(service_type)), random_(seed) {}

void Browser::Questions::add(const Name& name, RecordType type) {
  wanted.try_emplace({type, name.key()}, Question{name, type, kClassIn, false});
}

void Browser::start(Time now) {
  if (started_) return;
  started_ = true;
  for (auto& [index, state] : links_) restart_queries(state, now);
}

// The first question waits 20 to 120 ms, lest all nodes ask at once after a power cut.
void Browser::restart_queries(LinkState& state, Time now) {
  state.query_at = now + microseconds(20'000 + random_.below(100'000));
  state.query_interval = kFirstQueryInterval;
}

void Browser::set_links(std::span<const Link> links, Time now) {
  for (auto& [key, entry] : entries_) {
    const int index = key.first;
    entry.gone |= std::none_of(links.begin(), links.end(),
                               [&](const Link& link) { return link.index == index; });
  }
  std::map<int, LinkState> kept;
  for (const Link& link : links) {
    const auto known = links_.find(link.index);
    LinkState& state = kept[link.index];
    const bool same = known != links_.end() && known->second.link == link;
    if (same) {
      state = known->second;
      continue;
    }
    state.link = link;
    restart_queries(state, now);
  }
  links_ = std::move(kept);
}

void Browser::set_own(std::optional<Name> instance, uint16_t port, Time now) {
  if (own_instance_ == instance && own_port_ == port) return;
  const bool renamed = own_instance_.has_value() && instance.has_value();
  own_instance_ = std::move(instance);
  own_port_ = port;
  for (auto& [key, entry] : entries_) entry.gone |= own_instance_ && entry.name == *own_instance_;
  if (!renamed) return;
  // Another owns our old name: its records were ignored until now, so ask for them again.
  for (auto& [index, state] : links_) restart_queries(state, now);
}

Browser::Entry* Browser::find(int link, const Name& name) {
  const auto entry = entries_.find({link, name.key()});
  return entry == entries_.end() || entry->second.gone ? nullptr : &entry->second;
}

void Browser::on_message(const Message& message, const Arrival& arrival, Time now) {
  const auto found = links_.find(arrival.link);
  if (!started_ || !message.response || found == links_.end()) return;
  const LinkState& state = found->second;
  // Pointers first, then what they point to, whatever the order in the packet.
  std::vector<Record> records;
  for (const auto* section : {&message.answers, &message.additionals}) {
    for (const Record& record : *section) {
      if (record.dns_class == kClassIn) records.push_back(record);
    }
  }
  for (const Record& record : records) {
    if (record.type == RecordType::kPtr) on_pointer(state, record, arrival, now);
  }
  for (const Record& record : records) {
    if (record.type == RecordType::kSrv) on_srv(state.link.index, record, now);
    if (record.type == RecordType::kTxt) on_txt(state.link.index, record, now);
  }
  flush_addresses(state, records, now);
  for (const Record& record : records) {
    if (record.type == RecordType::kA || record.type == RecordType::kAaaa) {
      on_address(state, record, now);
    }
  }
}

bool Browser::has_room(const Arrival& arrival) const {
  if (entries_.size() >= kServicesMax) return false;
  const auto from_source = std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
    return entry.first.first == arrival.link && entry.second.source == arrival.source.address;
  });
  return static_cast<size_t>(from_source) < kServicesPerSourceMax;
}

void Browser::on_pointer(const LinkState& state, const Record& record, const Arrival& arrival,
                         Time now) {
  const Name& name = std::get<Name>(record.data);
  if (record.name != service_type_ || name.parent() != service_type_) return;
  if (!valid_instance(name.first_label()) || (own_instance_ && name == *own_instance_)) return;
  const Key key{state.link.index, name.key()};
  auto entry = entries_.find(key);
  if (record.ttl_s == 0) {
    if (entry != entries_.end()) say_goodbye(entry->second.pointer, now);
    return;
  }
  if (entry == entries_.end()) {
    if (!has_room(arrival)) return;
    entry = entries_.try_emplace(key).first;
    entry->second.name = name;
    entry->second.source = arrival.source.address;
    // Mostly the rest comes in the same packet; if not, ask for it shortly.
    entry->second.resolve_at = now + milliseconds(100);
  }
  entry->second.gone = false;
  entry->second.pointer = timed(true, record, now);
}

void Browser::on_srv(int link, const Record& record, Time now) {
  Entry* entry = find(link, record.name);
  const Srv& srv = std::get<Srv>(record.data);
  if (!entry || srv.port == 0) return;
  if (record.ttl_s == 0) {
    if (entry->srv && entry->srv->value == srv) say_goodbye(*entry->srv, now);
    return;
  }
  if (entry->srv && entry->srv->value.target != srv.target) entry->addresses.clear();
  entry->srv = timed(srv, record, now);
}

void Browser::on_txt(int link, const Record& record, Time now) {
  Entry* entry = find(link, record.name);
  auto txt = decode_txt(std::get<Txt>(record.data));
  if (!entry || !txt.ok()) return;
  if (record.ttl_s == 0) {
    if (entry->txt && entry->txt->value == *txt) say_goodbye(*entry->txt, now);
    return;
  }
  entry->txt = timed(*txt, record, now);
}

// The flush bit says that the addresses of this family are all in this packet (RFC 6762 10.2).
void Browser::flush_addresses(const LinkState& state, std::span<const Record> records, Time now) {
  for (const Record& record : records) {
    const bool v6 = record.type == RecordType::kAaaa;
    if ((!v6 && record.type != RecordType::kA) || !record.cache_flush || record.ttl_s == 0)
      continue;
    for (auto& [key, entry] : entries_) {
      if (key.first != state.link.index || !entry.srv) continue;
      if (entry.srv->value.target != record.name) continue;
      for (auto& known : entry.addresses) {
        if (known.value.v6 == v6 && now - known.received > seconds(1)) say_goodbye(known, now);
      }
    }
  }
}

void Browser::on_address(const LinkState& state, const Record& record, Time now) {
  const auto& address = std::get<IpAddress>(record.data);
  if (!state.link.worth_trying(address)) return;
  for (auto& [key, entry] : entries_) {
    if (key.first != state.link.index || !entry.srv) continue;
    if (entry.srv->value.target != record.name) continue;
    const auto known = std::find_if(entry.addresses.begin(), entry.addresses.end(),
                                    [&](const auto& other) { return other.value == address; });
    if (known != entry.addresses.end()) {
      if (record.ttl_s == 0) {
        say_goodbye(*known, now);
      } else {
        *known = timed(address, record, now);
      }
    } else if (record.ttl_s != 0 && entry.addresses.size() < kServiceAddressesMax) {
      entry.addresses.push_back(timed(address, record, now));
    }
  }
}

bool Browser::whole(const Entry& entry) const {
  return entry.srv && entry.txt && !entry.addresses.empty();
}

void Browser::expire(Entry& entry, Time now) {
  if (entry.pointer.expires <= now) entry.gone = true;
  const bool was_whole = whole(entry);
  if (entry.srv && entry.srv->expires <= now) entry.srv.reset();
  if (entry.txt && entry.txt->expires <= now) entry.txt.reset();
  std::erase_if(entry.addresses, [&](const auto& known) { return known.expires <= now; });
  if (was_whole && !whole(entry)) {
    entry.resolve_tries = 0;
    entry.resolve_at = now;
  }
  const bool hopeless = !whole(entry) && entry.resolve_tries >= kResolveTriesMax;
  if (hopeless && now >= entry.resolve_at) entry.gone = true;
}

// Adds the questions that are due for one instance; returns when to look at it again.
Time Browser::ask_about(Entry& entry, Questions& questions, Time now) {
  expire(entry, now);
  if (entry.gone) return kNever;
  Time next = entry.pointer.expires;
  if (!whole(entry)) {
    if (now >= entry.resolve_at) {
      if (!entry.srv) questions.add(entry.name, RecordType::kSrv);
      if (!entry.txt) questions.add(entry.name, RecordType::kTxt);
      if (entry.srv && entry.addresses.empty()) {
        questions.add(entry.srv->value.target, RecordType::kA);
        questions.add(entry.srv->value.target, RecordType::kAaaa);
      }
      entry.resolve_at = now + kResolveInterval * (1 << entry.resolve_tries);
      entry.resolve_tries += 1;
    }
    next = std::min(next, entry.resolve_at);
  } else {
    entry.resolve_tries = 0;
  }
  const auto refresh = [&](auto& timed, const Name& name, RecordType type) {
    if (due_for_refresh(timed, now)) questions.add(name, type);
    next = std::min({next, next_refresh(timed), timed.expires});
  };
  refresh(entry.pointer, service_type_, RecordType::kPtr);
  if (entry.srv) refresh(*entry.srv, entry.name, RecordType::kSrv);
  if (entry.txt) refresh(*entry.txt, entry.name, RecordType::kTxt);
  for (auto& known : entry.addresses) {
    if (!entry.srv) break;
    refresh(known, entry.srv->value.target, known.value.v6 ? RecordType::kAaaa : RecordType::kA);
  }
  return next;
}

Time Browser::tick(Time now) {
  if (!started_) return kNever;
  Time deadline = kNever;
  for (auto& [index, state] : links_) {
    Questions questions;
    if (now >= state.query_at) {
      questions.add(service_type_, RecordType::kPtr);
      state.query_at = now + state.query_interval;
      state.query_interval = std::min(2 * state.query_interval, kQueryIntervalMax);
    }
    deadline = std::min(deadline, state.query_at);
    const auto first = entries_.lower_bound({index, ""});
    for (auto entry = first; entry != entries_.end() && entry->first.first == index;) {
      deadline = std::min(deadline, ask_about(entry->second, questions, now));
      const bool erase = entry->second.gone && !entry->second.reported;
      entry = erase ? entries_.erase(entry) : std::next(entry);
    }
    if (!questions.wanted.empty()) send_questions(state, questions, now);
  }
  return deadline;
}

// The instances we know and need not hear again (RFC 6762 7.1).
std::vector<Record> Browser::known_answers(const LinkState& state, Time now) const {
  std::vector<Record> known;
  for (const auto& [key, entry] : entries_) {
    if (key.first != state.link.index || entry.gone || !whole(entry)) continue;
    const Duration left = entry.pointer.expires - now;
    if (left * 2 < entry.pointer.expires - entry.pointer.received) continue;
    if (entry.pointer.refreshes >= kRefreshesMax) continue;  // someone said goodbye for it
    known.push_back({service_type_, RecordType::kPtr, kClassIn, false,
                     static_cast<uint32_t>(std::max(0.0, to_seconds(left))), entry.name});
  }
  return known;
}

void Browser::send_questions(const LinkState& state, const Questions& questions, Time now) {
  Message message;
  size_t bytes = 12;
  const auto flush = [&](bool truncated) {
    message.truncated = truncated;
    packets_.push_back({state.link.index, write_message(message), std::nullopt});
    message = {};
    bytes = 12;
  };
  std::optional<Question> browse;  // last, so that its known answers follow it
  for (const auto& [key, question] : questions.wanted) {
    if (question.type == RecordType::kPtr) {
      browse = question;
      continue;
    }
    if (bytes + estimated_bytes(question) > kPacketBytesTarget) flush(false);
    bytes += estimated_bytes(question);
    message.questions.push_back(question);
  }
  if (browse) {
    if (bytes + estimated_bytes(*browse) > kPacketBytesTarget) flush(false);
    bytes += estimated_bytes(*browse);
    message.questions.push_back(*browse);
    for (Record& record : known_answers(state, now)) {
      if (bytes + estimated_bytes(record) > kPacketBytesTarget) flush(true);
      bytes += estimated_bytes(record);
      message.answers.push_back(std::move(record));
    }
  }
  flush(false);
}

std::optional<Service> Browser::service_of(const Link& link, const Entry& entry) const {
  if (entry.gone || !whole(entry)) return std::nullopt;
  Service service{std::string(entry.name.first_label()),
                  entry.srv->value.target.text(),
                  entry.srv->value.port,
                  entry.txt->value,
                  {},
                  link.name};
  for (const auto& known : entry.addresses) {
    if (link.has(known.value) && service.port == own_port_) continue;  // that is ourselves
    const bool zoned = known.value.v6 && known.value.link_local();
    service.addresses.push_back(known.value.text() + (zoned ? "%" + link.name : ""));
  }
  std::sort(service.addresses.begin(), service.addresses.end());
  if (service.addresses.empty()) return std::nullopt;
  return service;
}

std::vector<DiscoveryEvent> Browser::take_events() {
  using Kind = DiscoveryEvent::Kind;
  std::vector<DiscoveryEvent> events;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    auto& [key, known] = *entry;
    const auto state = links_.find(key.first);
    std::optional<Service> current;
    if (state != links_.end()) current = service_of(state->second.link, known);
    if (current && !known.reported) events.push_back({Kind::kFound, *current});
    if (current && known.reported && *current != *known.reported) {
      events.push_back({Kind::kUpdated, *current});
    }
    if (!current && known.reported) events.push_back({Kind::kLost, *known.reported});
    known.reported = std::move(current);
    entry = known.gone ? entries_.erase(entry) : std::next(entry);
  }
  return events;
}

std::vector<OutPacket> Browser::take_packets() {
  return std::exchange(packets_, {});
}

}  // namespace weft::discovery

#include "discovery/responder.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"

namespace weft::discovery {
namespace {

constexpr int kProbes = 3;
constexpr int kAnnouncements = 3;
constexpr Duration kProbeInterval = milliseconds(250);
constexpr Duration kLostProbeDelay = seconds(1);
constexpr Duration kAnnounceInterval = seconds(1);
constexpr Duration kMulticastInterval = seconds(1);       // per record and link: RFC 6762 6
constexpr Duration kDefenceInterval = milliseconds(250);  // the same for answers to probes
constexpr int kConflictsMax = 15;                         // within kConflictWindow: RFC 6762 8.1
constexpr Duration kConflictWindow = seconds(10);
constexpr Duration kConflictDelay = seconds(5);

uint32_t ttl_of(RecordType type) {
  return type == RecordType::kPtr || type == RecordType::kTxt ? kOtherTtlSeconds : kHostTtlSeconds;
}

}  // namespace

Responder::Responder(Name service_type, uint64_t seed)
    : service_type_(std::move(service_type)), random_(seed) {}

void Responder::set_names() {
  const auto instance = service_type_.child(numbered_instance(announcement_.instance, number_));
  const auto host = local_host(numbered_host(announcement_.instance, number_));
  WEFT_ASSERT(instance.ok() && host.ok());
  instance_ = *instance;
  host_ = *host;
}

Result<> Responder::publish(const ServiceAnnouncement& announcement, Time now) {
  WEFT_CHECK(check_announcement(announcement));
  withdraw();
  announcement_ = announcement;
  number_ = 1;
  set_names();
  for (auto& [index, state] : links_) start_probing(state, now, milliseconds(0));
  return {};
}

Result<> Responder::set_txt(const TxtMap& txt, Time now) {
  if (!instance_) return Error(ErrorCode::kInvalid, "no service is published; publish one first");
  WEFT_CHECK(check_txt(txt));
  if (txt == announcement_.txt) return {};
  announcement_.txt = txt;
  for (auto& [index, state] : links_) {
    if (state.probing) continue;
    state.step = 0;  // RFC 6762 8.4: changed data is announced as new data is
    state.next = now;
  }
  return {};
}

void Responder::withdraw() {
  if (!instance_) return;
  for (auto& [index, state] : links_) {
    if (!state.probing) send_goodbye(state);
    state.restart();
  }
  instance_.reset();
  announcement_ = {};
}

void Responder::set_links(std::span<const Link> links, Time now) {
  const auto listed = [&](const auto& entry) {
    return std::any_of(links.begin(), links.end(),
                       [&](const Link& link) { return link.index == entry.first; });
  };
  std::erase_if(links_, [&](const auto& entry) { return !listed(entry); });
  for (const Link& link : links) {
    const bool is_new = !links_.contains(link.index);
    LinkState& state = links_[link.index];
    const bool changed = state.link != link;
    state.link = link;
    if (!instance_ || !changed) continue;
    if (is_new || state.probing) {
      start_probing(state, now, milliseconds(0));
    } else {
      state.step = 0;
      state.next = now;
    }
  }
}

bool Responder::established(int link) const {
  const auto state = links_.find(link);
  return instance_ && state != links_.end() && !state->second.probing;
}

void Responder::start_probing(LinkState& state, Time now, Duration delay) {
  const Duration jitter = microseconds(random_.below(250'000));
  state.restart();
  state.next = now + delay + jitter;
}

std::vector<Record> Responder::records(const LinkState& state, Kinds kinds) const {
  std::vector<Record> result;
  const auto add = [&](const Name& name, RecordType type, bool unique, RecordData data) {
    result.push_back({name, type, kClassIn, unique, ttl_of(type), std::move(data)});
  };
  if (kinds & kServicePtr) add(service_type_, RecordType::kPtr, false, *instance_);
  if (kinds & kMetaPtr) add(meta_query_name(), RecordType::kPtr, false, service_type_);
  if (kinds & kSrv) {
    add(*instance_, RecordType::kSrv, true, Srv{0, 0, announcement_.port, host_});
  }
  if (kinds & kTxt) add(*instance_, RecordType::kTxt, true, encode_txt(announcement_.txt));
  if (kinds & kAddress) {
    for (const Prefix& own : state.link.addresses) {
      add(host_, own.address.v6 ? RecordType::kAaaa : RecordType::kA, true, own.address);
    }
  }
  return result;
}

// An address of any of our links counts as ours everywhere: two of our interfaces may be plugged
// into one network and then hear one another.
bool Responder::ours(const Record& record) const {
  for (const auto& [index, state] : links_) {
    const auto all = records(state, kAll);
    if (std::any_of(all.begin(), all.end(),
                    [&](const Record& own) { return own.same_as(record); })) {
      return true;
    }
  }
  return false;
}

Responder::Kinds Responder::asked_kinds(const Question& question) const {
  if (question.dns_class != kClassIn && question.dns_class != kClassAny) return 0;
  const auto asks = [&](RecordType type) {
    return question.type == type || question.type == RecordType::kAny;
  };
  Kinds kinds = 0;
  if (question.name == service_type_ && asks(RecordType::kPtr)) kinds |= kServicePtr;
  if (question.name == meta_query_name() && asks(RecordType::kPtr)) kinds |= kMetaPtr;
  if (question.name == *instance_ && asks(RecordType::kSrv)) kinds |= kSrv;
  if (question.name == *instance_ && asks(RecordType::kTxt)) kinds |= kTxt;
  if (question.name == host_ && (asks(RecordType::kA) || asks(RecordType::kAaaa))) {
    kinds |= kAddress;
  }
  return kinds;
}

// Takes out the kinds whose every record the asker already has with at least half its time left.
Responder::Kinds Responder::without_known(const LinkState& state, Kinds kinds,
                                          std::span<const Record> known) const {
  for (const Kind kind : kEachKind) {
    if (!(kinds & kind)) continue;
    const auto own = records(state, kind);
    const bool all_known = std::all_of(own.begin(), own.end(), [&](const Record& record) {
      return std::any_of(known.begin(), known.end(), [&](const Record& other) {
        return other.same_as(record) && other.ttl_s >= record.ttl_s / 2;
      });
    });
    if (all_known) kinds &= ~kind;
  }
  return kinds;
}

void Responder::on_message(const Message& message, const Arrival& arrival, Time now) {
  const auto state = links_.find(arrival.link);
  if (!instance_ || state == links_.end()) return;
  if (message.response) {
    on_response(state->second, message, now);
  } else {
    on_query(state->second, message, arrival, now);
  }
}

void Responder::on_query(LinkState& state, const Message& query, const Arrival& arrival, Time now) {
  if (state.probing) return on_rival_probe(state, query, now);
  if (query.questions.empty()) {  // the rest of a known-answer list (RFC 6762 7.2)
    if (state.pending_for == arrival.source) {
      state.pending =
          without_known(state, state.pending & ~state.urgent, query.answers) | state.urgent;
    }
    return;
  }
  Kinds kinds = 0;
  bool all_unicast = true;
  for (const Question& question : query.questions) {
    const Kinds asked = asked_kinds(question);
    kinds |= asked;
    if (asked != 0 && !question.unicast_response) all_unicast = false;
  }
  kinds = without_known(state, kinds, query.answers);
  if (kinds == 0) return;
  if (!query.authorities.empty()) return defend(state, kinds, now);
  const bool legacy = arrival.source.port != kMdnsPort;
  const bool recent = std::all_of(std::begin(kEachKind), std::end(kEachKind), [&](Kind kind) {
    const auto at = state.multicast_at.find(kind);
    const uint32_t ttl_s = kind & (kSrv | kAddress) ? kHostTtlSeconds : kOtherTtlSeconds;
    return !(kinds & kind) ||
           (at != state.multicast_at.end() && now - at->second < seconds(ttl_s) / 4);
  });
  if (legacy || !arrival.multicast || (all_unicast && recent)) {
    return send_unicast(state, kinds, query, arrival);
  }
  // Others may answer a question for a shared record too; the delay spreads them (RFC 6762 6).
  Duration delay = milliseconds(0);
  if (kinds & ~kUnique) delay = microseconds(20'000 + random_.below(100'000));
  if (query.truncated) delay = microseconds(400'000 + random_.below(100'000));
  state.pending_for = state.pending == 0 ? std::optional(arrival.source) : std::nullopt;
  state.pending |= kinds;
  state.pending_due = std::min(state.pending_due, now + delay);
}

// Two nodes that probe for one name at the same time: the one whose records come later in order
// keeps it; the other waits, then meets the winner's answers (RFC 6762 8.2).
void Responder::on_rival_probe(LinkState& state, const Message& query, Time now) {
  for (const Name& name : {*instance_, host_}) {
    std::vector<Record> theirs;
    std::copy_if(query.authorities.begin(), query.authorities.end(), std::back_inserter(theirs),
                 [&](const Record& record) { return record.name == name; });
    if (theirs.empty() || state.step == 0) continue;
    const auto own = records(state, name == host_ ? Kinds{kAddress} : Kinds{kSrv | kTxt});
    if (compare_probes(own, theirs) < 0) {
      start_probing(state, now, kLostProbeDelay);
      return;
    }
  }
}

void Responder::on_response(LinkState& state, const Message& response, Time now) {
  for (const auto* section : {&response.answers, &response.additionals}) {
    for (const Record& record : *section) {
      if (record.dns_class != kClassIn) continue;
      const bool unique_name = record.name == *instance_ || record.name == host_;
      if (ours(record)) {
        // Someone says goodbye for us or lets our record run out: say that it lives (RFC 6762 6.6).
        if (!state.probing && record.ttl_s < ttl_of(record.type) / 2) {
          defend(state, asked_kinds({record.name, record.type, kClassIn, false}), now);
        }
        continue;
      }
      if (!unique_name || record.ttl_s == 0 || record.type == RecordType::kNsec) continue;
      const bool same_type = asked_kinds({record.name, record.type, kClassIn, false}) != 0;
      if (state.probing || same_type) return on_conflict(state, now);
    }
  }
}

void Responder::on_conflict(LinkState& state, Time now) {
  if (state.probing) return rename(now);
  // Whoever answers the new probes was here first and keeps the name (RFC 6762 9).
  start_probing(state, now, milliseconds(0));
}

void Responder::rename(Time now) {
  if (now - conflicts_since_ > kConflictWindow) {
    conflicts_ = 0;
    conflicts_since_ = now;
  }
  conflicts_ += 1;
  number_ += 1;
  set_names();
  log_info("mdns.renamed", {{"instance", printable(instance_->text())}});
  const Duration delay = conflicts_ < kConflictsMax ? Duration(0) : kConflictDelay;
  for (auto& [index, state] : links_) start_probing(state, now, delay);
}

void Responder::defend(LinkState& state, Kinds kinds, Time now) {
  state.pending |= kinds;
  state.urgent |= kinds;
  state.pending_for.reset();
  state.pending_due = now;
}

Message Responder::response(const LinkState& state, Kinds answers) const {
  Message message;
  message.response = true;
  message.answers = records(state, answers);
  Kinds more = 0;
  if (answers & kServicePtr) more |= kSrv | kTxt | kAddress;
  if (answers & kSrv) more |= kAddress;
  message.additionals = records(state, more & ~answers);
  return message;
}

void Responder::send_records(LinkState& state, Kinds kinds, Time now) {
  for (const Kind kind : kEachKind) {
    if (kinds & kind) state.multicast_at[kind] = now;
  }
  packets_.push_back({state.link.index, write_message(response(state, kinds)), std::nullopt});
}

void Responder::send_unicast(LinkState& state, Kinds kinds, const Message& query,
                             const Arrival& arrival) {
  Message message = response(state, kinds);
  if (arrival.source.port != kMdnsPort) {  // an ordinary resolver; it knows no flush bit
    message.id = query.id;
    for (const Question& question : query.questions) {
      if (asked_kinds(question) != 0) message.questions.push_back(question);
    }
    for (auto* section : {&message.answers, &message.additionals}) {
      for (Record& record : *section) {
        record.cache_flush = false;
        record.ttl_s = std::min(record.ttl_s, kLegacyTtlSeconds);
      }
    }
  }
  packets_.push_back({state.link.index, write_message(message), arrival.source});
}

void Responder::send_probe(LinkState& state) {
  Message probe;
  probe.questions = {{*instance_, RecordType::kAny, kClassIn, false},
                     {host_, RecordType::kAny, kClassIn, false}};
  probe.authorities = records(state, kUnique);
  for (Record& record : probe.authorities) record.cache_flush = false;
  packets_.push_back({state.link.index, write_message(probe), std::nullopt});
}

void Responder::send_goodbye(const LinkState& state) {
  Message message;
  message.response = true;
  message.answers = records(state, kServicePtr | kUnique);
  for (Record& record : message.answers) record.ttl_s = 0;
  packets_.push_back({state.link.index, write_message(message), std::nullopt});
}

// Sends what is owed and was not multicast a moment ago; the rest stays owed until it may be.
void Responder::send_pending(LinkState& state, Time now) {
  Kinds ready = 0;
  Time next = kNever;
  for (const Kind kind : kEachKind) {
    if (!(state.pending & kind)) continue;
    const auto at = state.multicast_at.find(kind);
    const Duration interval = state.urgent & kind ? kDefenceInterval : kMulticastInterval;
    if (at == state.multicast_at.end() || now - at->second >= interval) {
      ready |= kind;
    } else {
      next = std::min(next, at->second + interval);
    }
  }
  if (ready != 0) send_records(state, ready, now);
  state.pending &= ~ready;
  state.urgent &= ~ready;
  state.pending_due = next;
}

Time Responder::tick(Time now) {
  if (!instance_) return kNever;
  Time deadline = kNever;
  for (auto& [index, state] : links_) {
    if (state.probing && now >= state.next) {
      if (state.step < kProbes) {
        send_probe(state);
        state.step += 1;
        state.next = now + kProbeInterval;
      } else {
        state.probing = false;
        state.step = 0;
      }
    }
    if (!state.probing && now >= state.next) {
      send_records(state, kAll, now);
      state.step += 1;
      const bool more = state.step < kAnnouncements;
      state.next = more ? now + kAnnounceInterval * (1 << (state.step - 1)) : kNever;
    }
    if (now >= state.pending_due) send_pending(state, now);
    deadline = std::min({deadline, state.next, state.pending_due});
  }
  return deadline;
}

std::vector<OutPacket> Responder::take_packets() {
  return std::exchange(packets_, {});
}

}  // namespace weft::discovery

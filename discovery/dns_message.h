// DNS messages as multicast DNS uses them: parsed with every bound checked, written with
// compression. Source: RFC 1035 section 4, RFC 2782 (SRV), RFC 3596 (AAAA), RFC 6762 section 18.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "discovery/dns_name.h"
#include "discovery/ip_address.h"

namespace weft::discovery {

inline constexpr size_t kMessageBytesMax = 9000;   // RFC 6762 section 17
inline constexpr size_t kMessageEntriesMax = 256;  // questions and records of all sections together

enum class RecordType : uint16_t {
  kA = 1,
  kPtr = 12,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33,
  kNsec = 47,
  kAny = 255,
};

inline constexpr uint16_t kClassIn = 1;
inline constexpr uint16_t kClassAny = 255;

struct Question {
  Name name;
  RecordType type = RecordType::kAny;
  uint16_t dns_class = kClassIn;  // without the top bit
  bool unicast_response = false;  // the top bit: "answer me alone" (RFC 6762 5.4)

  bool operator==(const Question&) const = default;
};

struct Srv {
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint16_t port = 0;
  Name target;

  bool operator==(const Srv&) const = default;
};
using Txt = std::vector<std::string>;  // each at most 255 bytes

// IpAddress for A and AAAA, Name for PTR, Srv, Txt; all other types stay bytes and are never
// followed, CNAME among them, so that an alias cannot loop.
using RecordData = std::variant<Bytes, IpAddress, Name, Srv, Txt>;

struct Record {
  Name name;
  RecordType type = RecordType::kAny;
  uint16_t dns_class = kClassIn;  // without the top bit
  bool cache_flush = false;       // the top bit: "these are all there are" (RFC 6762 10.2)
  uint32_t ttl_s = 0;
  RecordData data;

  bool operator==(const Record&) const = default;
  // True if name, class, type and data are equal; the time to live and the flush bit may differ.
  bool same_as(const Record& other) const;
};

struct Message {
  uint16_t id = 0;
  bool response = false;
  bool truncated = false;
  uint8_t opcode = 0;
  uint8_t rcode = 0;
  std::vector<Question> questions;
  std::vector<Record> answers;
  std::vector<Record> authorities;
  std::vector<Record> additionals;

  bool operator==(const Message&) const = default;
};

// kCorrupt with what is wrong. Bytes behind the last record are ignored.
Result<Message> parse_message(ByteView bytes);

// Responses are marked authoritative. The caller keeps messages small (see estimated_bytes); one
// above kMessageBytesMax or kMessageEntriesMax is a programmer's mistake and asserted, as are a
// record whose data does not fit its type and a text string of more than 255 bytes.
Bytes write_message(const Message& message);

// At most this many bytes are added by the question or record; compression only makes it less.
size_t estimated_bytes(const Question& question);
size_t estimated_bytes(const Record& record);

// The data in wire form without compression, for the order of RFC 6762 section 8.2.
Bytes canonical_data(const Record& record);

// The order of RFC 6762 section 8.2.1 between two sets of records for one name, as three-way
// comparison: negative if `ours` comes first and so loses the name.
int compare_probes(std::span<const Record> ours, std::span<const Record> theirs);

}  // namespace weft::discovery

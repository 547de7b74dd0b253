#include "discovery/dns_message.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/assert.h"
#include "base/text.h"

namespace weft::discovery {
namespace {

constexpr uint16_t kResponseFlag = 0x8000;
constexpr uint16_t kAuthoritativeFlag = 0x0400;
constexpr uint16_t kTruncatedFlag = 0x0200;
constexpr uint16_t kTopBit = 0x8000;
constexpr size_t kPointerTargetMax = 0x3fff;

// Reads network-order numbers; every read is checked against the end of the message.
class Reader {
 public:
  explicit Reader(ByteView message) : message_(message) {}

  Result<uint16_t> u16() {
    WEFT_TRY(const ByteView raw, take(2));
    return static_cast<uint16_t>(raw[0] << 8 | raw[1]);
  }
  Result<uint32_t> u32() {
    WEFT_TRY(const uint32_t high, u16());
    WEFT_TRY(const uint32_t low, u16());
    return high << 16 | low;
  }
  Result<ByteView> take(size_t size) {
    if (size > message_.size() - position_) {
      return Error(ErrorCode::kCorrupt,
                   cat("message ends inside a field of ", size, " bytes at byte ", position_));
    }
    const ByteView raw = message_.subspan(position_, size);
    position_ += size;
    return raw;
  }
  Result<Name> name() { return Name::read(message_, position_); }
  size_t position() const { return position_; }

 private:
  ByteView message_;
  size_t position_ = 0;
};

Result<Question> read_question(Reader& reader) {
  Question question;
  WEFT_TRY(question.name, reader.name());
  WEFT_TRY(const uint16_t type, reader.u16());
  WEFT_TRY(const uint16_t dns_class, reader.u16());
  question.type = RecordType{type};
  question.dns_class = dns_class & ~kTopBit;
  question.unicast_response = (dns_class & kTopBit) != 0;
  return question;
}

Result<IpAddress> read_address(Reader& reader, size_t bytes, size_t expected) {
  if (bytes != expected) {
    return Error(ErrorCode::kCorrupt,
                 cat("address record has ", bytes, " bytes instead of ", expected));
  }
  WEFT_TRY(const ByteView raw, reader.take(bytes));
  return IpAddress::from_bytes(raw);
}

Result<Txt> read_txt(ByteView raw) {
  Txt strings;
  for (size_t at = 0; at < raw.size();) {
    const size_t length = raw[at];
    if (length > raw.size() - at - 1) {
      return Error(ErrorCode::kCorrupt, cat("text string of ", length, " bytes, but ",
                                            raw.size() - at - 1, " are left in its record"));
    }
    strings.emplace_back(as_text(raw.subspan(at + 1, length)));
    at += length + 1;
  }
  return strings;
}

Result<Srv> read_srv(Reader& reader) {
  Srv srv;
  WEFT_TRY(srv.priority, reader.u16());
  WEFT_TRY(srv.weight, reader.u16());
  WEFT_TRY(srv.port, reader.u16());
  WEFT_TRY(srv.target, reader.name());
  return srv;
}

Result<RecordData> read_data(Reader& reader, RecordType type, size_t bytes) {
  switch (type) {
    case RecordType::kA: {
      WEFT_TRY(const IpAddress address, read_address(reader, bytes, 4));
      return RecordData(address);
    }
    case RecordType::kAaaa: {
      WEFT_TRY(const IpAddress address, read_address(reader, bytes, 16));
      return RecordData(address);
    }
    case RecordType::kPtr: {
      WEFT_TRY(Name target, reader.name());
      return RecordData(std::move(target));
    }
    case RecordType::kSrv: {
      WEFT_TRY(Srv srv, read_srv(reader));
      return RecordData(std::move(srv));
    }
    case RecordType::kTxt: {
      WEFT_TRY(const ByteView raw, reader.take(bytes));
      WEFT_TRY(Txt strings, read_txt(raw));
      return RecordData(std::move(strings));
    }
    default: {
      WEFT_TRY(const ByteView raw, reader.take(bytes));
      return RecordData(Bytes(raw.begin(), raw.end()));
    }
  }
}

Result<Record> read_record(Reader& reader) {
  Record record;
  WEFT_TRY(record.name, reader.name());
  WEFT_TRY(const uint16_t type, reader.u16());
  WEFT_TRY(const uint16_t dns_class, reader.u16());
  WEFT_TRY(record.ttl_s, reader.u32());
  WEFT_TRY(const size_t bytes, reader.u16());
  record.type = RecordType{type};
  record.dns_class = dns_class & ~kTopBit;
  record.cache_flush = (dns_class & kTopBit) != 0;
  const size_t end = reader.position() + bytes;
  WEFT_TRY(record.data, read_data(reader, record.type, bytes));
  if (reader.position() != end) {
    return Error(ErrorCode::kCorrupt,
                 cat("record data should end at byte ", end, " but ends at ", reader.position()));
  }
  return record;
}

// Appends network-order numbers and names; a name's tail that was written before becomes a pointer.
class Writer {
 public:
  Writer& u16(uint16_t value) {
    bytes_.push_back(static_cast<uint8_t>(value >> 8));
    bytes_.push_back(static_cast<uint8_t>(value));
    return *this;
  }
  Writer& u32(uint32_t value) {
    return u16(static_cast<uint16_t>(value >> 16)).u16(static_cast<uint16_t>(value));
  }
  Writer& append(ByteView raw) {
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  Writer& name(const Name& whole, bool compress) {
    for (Name rest = whole; !rest.is_root(); rest = rest.parent()) {
      const auto known = offsets_.find(rest.key());
      if (compress && known != offsets_.end()) {
        return u16(static_cast<uint16_t>(0xc000 | known->second));
      }
      if (bytes_.size() <= kPointerTargetMax) offsets_.try_emplace(rest.key(), bytes_.size());
      bytes_.push_back(static_cast<uint8_t>(rest.first_label().size()));
      append(as_bytes(rest.first_label()));
    }
    bytes_.push_back(0);
    return *this;
  }
  Writer& data(const Record& record, bool compress);
  void record(const Record& record);
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
  std::map<std::string, size_t> offsets_;
};

Writer& Writer::data(const Record& record, bool compress) {
  switch (record.type) {
    case RecordType::kA:
    case RecordType::kAaaa: {
      const auto& address = std::get<IpAddress>(record.data);
      WEFT_ASSERT(address.v6 == (record.type == RecordType::kAaaa));
      return append(address.view());
    }
    case RecordType::kPtr:
      return name(std::get<Name>(record.data), compress);
    case RecordType::kSrv: {
      const auto& srv = std::get<Srv>(record.data);
      return u16(srv.priority).u16(srv.weight).u16(srv.port).name(srv.target, compress);
    }
    case RecordType::kTxt:
      for (const std::string& text : std::get<Txt>(record.data)) {
        WEFT_ASSERT(text.size() <= 255);
        bytes_.push_back(static_cast<uint8_t>(text.size()));
        append(as_bytes(text));
      }
      return *this;
    default:
      return append(std::get<Bytes>(record.data));
  }
}

void Writer::record(const Record& record) {
  name(record.name, true).u16(static_cast<uint16_t>(record.type));
  u16(static_cast<uint16_t>(record.dns_class | (record.cache_flush ? kTopBit : 0)));
  u32(record.ttl_s);
  const size_t length_at = bytes_.size();
  u16(0).data(record, true);
  const size_t length = bytes_.size() - length_at - 2;
  WEFT_ASSERT(length <= kMessageBytesMax);
  bytes_[length_at] = static_cast<uint8_t>(length >> 8);
  bytes_[length_at + 1] = static_cast<uint8_t>(length);
}

Result<> read_section(Reader& reader, size_t count, std::vector<Record>& section) {
  for (size_t i = 0; i < count; ++i) {
    WEFT_TRY(Record record, read_record(reader));
    section.push_back(std::move(record));
  }
  return {};
}

}  // namespace

bool Record::same_as(const Record& other) const {
  return type == other.type && dns_class == other.dns_class && name == other.name &&
         data == other.data;
}

Result<Message> parse_message(ByteView bytes) {
  if (bytes.size() > kMessageBytesMax) {
    return Error(ErrorCode::kCorrupt, cat("message of ", bytes.size(), " bytes; at most ",
                                          kMessageBytesMax, " are allowed"));
  }
  Reader reader(bytes);
  Message message;
  WEFT_TRY(message.id, reader.u16());
  WEFT_TRY(const uint16_t flags, reader.u16());
  WEFT_TRY(const size_t question_count, reader.u16());
  WEFT_TRY(const size_t answer_count, reader.u16());
  WEFT_TRY(const size_t authority_count, reader.u16());
  WEFT_TRY(const size_t additional_count, reader.u16());
  const size_t entries = question_count + answer_count + authority_count + additional_count;
  if (entries > kMessageEntriesMax) {
    return Error(ErrorCode::kCorrupt,
                 cat("message of ", entries, " questions and records; at most ", kMessageEntriesMax,
                     " are read"));
  }
  message.response = (flags & kResponseFlag) != 0;
  message.truncated = (flags & kTruncatedFlag) != 0;
  message.opcode = (flags >> 11) & 0xf;
  message.rcode = flags & 0xf;
  for (size_t i = 0; i < question_count; ++i) {
    WEFT_TRY(Question question, read_question(reader));
    message.questions.push_back(std::move(question));
  }
  WEFT_CHECK(read_section(reader, answer_count, message.answers));
  WEFT_CHECK(read_section(reader, authority_count, message.authorities));
  WEFT_CHECK(read_section(reader, additional_count, message.additionals));
  return message;
}

Bytes write_message(const Message& message) {
  WEFT_ASSERT(message.questions.size() + message.answers.size() + message.authorities.size() +
                  message.additionals.size() <=
              kMessageEntriesMax);
  Writer writer;
  const auto flags =
      static_cast<uint16_t>((message.response ? kResponseFlag | kAuthoritativeFlag : 0) |
                            (message.truncated ? kTruncatedFlag : 0) |
                            (message.opcode & 0xf) << 11 | (message.rcode & 0xf));
  writer.u16(message.id).u16(flags);
  writer.u16(static_cast<uint16_t>(message.questions.size()));
  writer.u16(static_cast<uint16_t>(message.answers.size()));
  writer.u16(static_cast<uint16_t>(message.authorities.size()));
  writer.u16(static_cast<uint16_t>(message.additionals.size()));
  for (const Question& question : message.questions) {
    writer.name(question.name, true).u16(static_cast<uint16_t>(question.type));
    writer.u16(
        static_cast<uint16_t>(question.dns_class | (question.unicast_response ? kTopBit : 0)));
  }
  for (const auto* section : {&message.answers, &message.authorities, &message.additionals}) {
    for (const Record& record : *section) writer.record(record);
  }
  Bytes bytes = writer.take();
  WEFT_ASSERT(bytes.size() <= kMessageBytesMax);
  return bytes;
}

size_t estimated_bytes(const Question& question) {
  return question.name.wire().size() + 1 + 4;
}

size_t estimated_bytes(const Record& record) {
  return record.name.wire().size() + 1 + 10 + canonical_data(record).size();
}

Bytes canonical_data(const Record& record) {
  return Writer().data(record, false).take();
}

int compare_probes(std::span<const Record> ours, std::span<const Record> theirs) {
  using Key = std::tuple<uint16_t, uint16_t, Bytes>;
  const auto keys = [](std::span<const Record> records) {
    std::vector<Key> sorted;
    for (const Record& record : records) {
      sorted.emplace_back(record.dns_class, static_cast<uint16_t>(record.type),
                          canonical_data(record));
    }
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  };
  const auto our_keys = keys(ours);
  const auto their_keys = keys(theirs);
  if (our_keys == their_keys) return 0;
  return our_keys < their_keys ? -1 : 1;
}

}  // namespace weft::discovery

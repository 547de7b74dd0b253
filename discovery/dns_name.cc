#include "discovery/dns_name.h"

#include <algorithm>

#include "base/text.h"

namespace weft::discovery {
namespace {

constexpr size_t kHeaderBytes = 12;

// Length bytes are at most 63, below 'A', so lowering the whole wire form leaves them as they are.
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

Result<Name> Name::from_labels(const std::vector<std::string>& labels) {
  Name name;
  for (auto label = labels.rbegin(); label != labels.rend(); ++label) {
    WEFT_TRY(name, name.child(*label));
  }
  return name;
}

Result<Name> Name::from_text(std::string_view dotted) {
  return from_labels(split(dotted, '.'));
}

Result<Name> Name::read(ByteView message, size_t& position) {
  std::string wire;
  size_t at = position;
  size_t start = position;  // of the run of labels being read; pointers must go before it
  bool jumped = false;
  int pointers = 0;
  while (true) {
    if (at >= message.size()) return Error(ErrorCode::kCorrupt, "name runs past the message");
    const uint8_t length = message[at];
    if ((length & 0xc0) == 0xc0) {
      if (message.size() - at < 2) return Error(ErrorCode::kCorrupt, "name pointer is cut off");
      const size_t target = size_t{length & 0x3fu} << 8 | message[at + 1];
      if (target >= start || target < kHeaderBytes || ++pointers > kNamePointersMax) {
        return Error(ErrorCode::kCorrupt, cat("name pointer at byte ", at, " to byte ", target,
                                              " does not lead back to an earlier name"));
      }
      if (!jumped) position = at + 2;
      jumped = true;
      at = start = target;
      continue;
    }
    if ((length & 0xc0) != 0) {
      return Error(ErrorCode::kCorrupt, cat("label at byte ", at, " has a reserved type"));
    }
    if (length == 0) {
      if (!jumped) position = at + 1;
      return Name(std::move(wire));
    }
    if (length >= message.size() - at) {
      return Error(ErrorCode::kCorrupt, cat("label at byte ", at, " runs past the message"));
    }
    if (wire.size() + length + 2 > kNameBytesMax) {
      return Error(ErrorCode::kCorrupt, cat("name is longer than ", kNameBytesMax, " bytes"));
    }
    wire.append(as_text(message.subspan(at, size_t{length} + 1)));
    at += size_t{length} + 1;
  }
}

Result<Name> Name::child(std::string_view label) const {
  if (label.empty() || label.size() > kLabelBytesMax) {
    return Error(ErrorCode::kInvalid, cat("a DNS label has 1 to ", kLabelBytesMax, " bytes; \"",
                                          printable(label), "\" has ", label.size()));
  }
  if (wire_.size() + label.size() + 2 > kNameBytesMax) {
    return Error(ErrorCode::kInvalid, cat("a DNS name has at most ", kNameBytesMax, " bytes"));
  }
  std::string wire(1, static_cast<char>(label.size()));
  return Name(wire.append(label).append(wire_));
}

Name Name::parent() const {
  if (wire_.empty()) return {};
  return Name(wire_.substr(size_t{static_cast<uint8_t>(wire_[0])} + 1));
}

std::string_view Name::first_label() const {
  if (wire_.empty()) return {};
  return std::string_view(wire_).substr(1, static_cast<uint8_t>(wire_[0]));
}

std::string Name::key() const {
  std::string key = wire_;
  std::transform(key.begin(), key.end(), key.begin(), lower);
  return key;
}

std::string Name::text() const {
  std::string text;
  for (Name rest = *this; !rest.is_root(); rest = rest.parent()) {
    if (!text.empty()) text += '.';
    for (const char c : rest.first_label()) {
      if (c == '.' || c == '\\') text += '\\';
      text += c;
    }
  }
  return text;
}

bool Name::operator==(const Name& other) const {
  return wire_.size() == other.wire_.size() &&
         std::equal(wire_.begin(), wire_.end(), other.wire_.begin(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

}  // namespace weft::discovery

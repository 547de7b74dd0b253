// Name: a DNS name in wire form. Compared without regard to ASCII case, as DNS does; labels may
// hold any bytes (DNS-SD instance labels are UTF-8 with spaces and dots). Source: RFC 1035
// sections 2.3.4 and 4.1.4, RFC 6763 section 4.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace weft::discovery {

inline constexpr size_t kLabelBytesMax = 63;
inline constexpr size_t kNameBytesMax = 255;  // with the length bytes and the root's zero
inline constexpr int kNamePointersMax = 64;   // per name; RFC 1035 names none

class Name {
 public:
  Name() = default;  // the root

  // From labels, first one first; kInvalid if a label is empty or too long, or all are.
  static Result<Name> from_labels(const std::vector<std::string>& labels);
  // From "_weft._tcp.local"; a dot always separates.
  static Result<Name> from_text(std::string_view dotted);
  // Reads the name at `position` and moves `position` behind it. Pointers may only point backwards,
  // to before the name they are part of, and at most kNamePointersMax times, so reading ends.
  // kCorrupt otherwise, and for the reserved label types (RFC 1035 4.1.4, RFC 6891 5).
  static Result<Name> read(ByteView message, size_t& position);

  // `label` before this name; kInvalid if it does not fit.
  Result<Name> child(std::string_view label) const;
  // Without the first label; the root's parent is the root.
  Name parent() const;
  // The first label; "" for the root.
  std::string_view first_label() const;
  bool is_root() const { return wire_.empty(); }

  // The labels with their length bytes, without the root's zero.
  const std::string& wire() const { return wire_; }
  // `wire` in ASCII lower case: equal names have equal keys.
  std::string key() const;
  // For people: "kitchen (2)._weft._tcp.local"; a dot or backslash inside a label is escaped.
  std::string text() const;

  bool operator==(const Name& other) const;

 private:
  explicit Name(std::string wire) : wire_(std::move(wire)) {}

  std::string wire_;
};

}  // namespace weft::discovery

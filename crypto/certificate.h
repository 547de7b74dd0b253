// A member's certificate: fixed bytes, signed by the mesh's authority.
//
//   offset bytes
//        0     5  "WFTC1"
//        5    32  cluster_id
//       37    16  member_id, follows from ed_pk
//       53     8  serial, u64: rises with every certificate of the mesh
//       61     4  roles, u32 bit set
//       65    32  ed_pk, the member's Ed25519 identity
//       97    32  curve_pk, the X25519 key of its links
//      129     8  not_before, i64, seconds since 1970 UTC
//      137     8  not_after, i64
//      145     1  length of the name, 1 to 63
//      146    63  name, UTF-8; zero bytes after it
//      209    64  Ed25519 over "weft/cert/1\0" || bytes 0 to 208
//
// Numbers are little-endian. There is one encoding of each certificate, and no other length.
#pragma once

#include <array>
#include <string>

#include "base/bytes.h"
#include "crypto/dates.h"
#include "crypto/keys.h"

namespace weft::crypto {

inline constexpr size_t kNameBytesMax = 63;
inline constexpr size_t kCertificateBytes = 273;

// What a member is for. Bits that this build does not know are kept and mean nothing to it.
inline constexpr uint32_t kRoleWorker = 1;     // computes layers
inline constexpr uint32_t kRoleHead = 2;       // opens sessions: serves prompts of its user
inline constexpr uint32_t kRoleAuthority = 4;  // the device that holds the authority key
inline constexpr uint32_t kRolesOfMember = kRoleWorker | kRoleHead;

// kInvalid unless the name is 1 to 63 bytes of printable UTF-8 without spaces at its ends and
// without the invisible characters that reorder or hide text on a screen.
Result<> check_member_name(std::string_view name);

// What the authority states about a member.
struct MemberFacts {
  uint64_t serial = 0;
  uint32_t roles = kRolesOfMember;
  VerifyKey identity;
  CurveKey curve;
  int64_t not_before = 0;
  int64_t not_after = 0;
  std::string name;
};

class Certificate {
 public:
  // Signs. kInvalid for a name, key or dates that no reader would take.
  static Result<Certificate> issue(MemberFacts facts, const SigningKey& authority);

  // Reads hostile bytes. kCorrupt: length, magic, or a field out of its range; kDenied: of another
  // mesh, or the signature is wrong. Dates are not compared with a clock: see check_dates.
  static Result<Certificate> parse(ByteView bytes, const VerifyKey& authority);

  // kDenied, as crypto::check_dates says it.
  Result<> check_dates(int64_t now) const;

  const NodeId& member_id() const { return member_id_; }
  const std::string& name() const { return facts_.name; }
  uint64_t serial() const { return facts_.serial; }
  uint32_t roles() const { return facts_.roles; }
  const VerifyKey& identity() const { return facts_.identity; }
  const CurveKey& curve() const { return facts_.curve; }
  int64_t not_before() const { return facts_.not_before; }
  int64_t not_after() const { return facts_.not_after; }
  const MemberFacts& facts() const { return facts_; }
  // The signed bytes, kCertificateBytes of them.
  ByteView bytes() const { return bytes_; }

  bool operator==(const Certificate& other) const { return bytes_ == other.bytes_; }

 private:
  Certificate(MemberFacts facts, NodeId member_id)
      : facts_(std::move(facts)), member_id_(member_id) {}

  MemberFacts facts_;
  NodeId member_id_;
  std::array<uint8_t, kCertificateBytes> bytes_{};
};

// The 1 + 63 bytes of a name, as certificates and join requests hold it.
inline constexpr size_t kNameFieldBytes = 1 + kNameBytesMax;
void append_name(ByteWriter& writer, std::string_view name);
// kCorrupt for a length over 63 or bytes after the name, else as check_member_name.
Result<std::string> read_name(ByteReader& reader);

// Reads an id or a key of fixed size.
template <typename Id>
Result<Id> read_id(ByteReader& reader) {
  Id id;
  WEFT_TRY(const ByteView raw, reader.take(id.bytes.size()));
  std::memcpy(id.bytes.data(), raw.data(), raw.size());
  return id;
}

}  // namespace weft::crypto

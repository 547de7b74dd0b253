// The roster: everyone who is a member, and the ids of those who no longer are. Any member may pass
// it on; only the authority can write one.
//
//   offset bytes
//        0     5  "WFTR1"
//        5    32  cluster_id
//       37     8  epoch, u64, from 1: a later roster has a greater one
//       45     2  members, u16, up to kMembersMax
//       47     2  revoked, u16, up to kRevokedMax
//       49   273  each member's certificate, by rising member id
//              16 each revoked member id, rising
//              64 Ed25519 over "weft/roster/1\0" || all before it
//
// Numbers are little-endian. No two members share an id, a key or a name; no member is revoked.
// A Roster is a value that does not change once made: threads may share it.
#pragma once

#include <vector>

#include "crypto/certificate.h"

namespace weft::crypto {

inline constexpr size_t kMembersMax = 256;
inline constexpr size_t kRevokedMax = 1024;
inline constexpr size_t kRosterHeaderBytes = 49;
inline constexpr size_t kRosterBytesMax = kRosterHeaderBytes + kMembersMax * kCertificateBytes +
                                          kRevokedMax * sizeof(NodeId::bytes) +
                                          sizeof(Signature::bytes);
// One frame carries it, and a join's reply, with room to spare.
static_assert(kRosterBytesMax <= 128 * 1024);

class Roster {
 public:
  // Signs. The members and ids may come in any order. kExhausted over the limits; kConflict if two
  // members share a name, a key or an id, or a member is revoked; kInvalid for epoch 0.
  static Result<Roster> issue(uint64_t epoch, std::vector<Certificate> members,
                              std::vector<NodeId> revoked, const SigningKey& authority);

  // Reads hostile bytes. kCorrupt: lengths, magic, order, doubles; kDenied: of another mesh, or a
  // signature is wrong. Verifies every certificate's signature too (about 0.1 ms each).
  static Result<Roster> parse(ByteView bytes, const VerifyKey& authority);

  uint64_t epoch() const { return epoch_; }
  const ClusterId& cluster_id() const { return cluster_id_; }
  // By rising member id.
  const std::vector<Certificate>& members() const { return members_; }
  const std::vector<NodeId>& revoked() const { return revoked_; }
  // The signed bytes, as they are stored and sent.
  const Bytes& bytes() const { return bytes_; }

  // The member, or null; what is pointed at lives as long as this roster.
  const Certificate* find(const NodeId& member_id) const;
  const Certificate* find_name(std::string_view name) const;
  const Certificate* find_curve(const CurveKey& key) const;
  bool is_revoked(const NodeId& member_id) const;

  // The decision of a link's authentication: the member who owns this key, if its dates hold.
  // kDenied: no member has this key (a stranger's, or a revoked member's), or its dates are over.
  // A pure look-up; the pointer lives as long as this roster.
  Result<const Certificate*> admit(const CurveKey& key, int64_t now) const;

 private:
  Roster() = default;
  Result<> check_members() const;

  uint64_t epoch_ = 0;
  ClusterId cluster_id_;
  std::vector<Certificate> members_;
  std::vector<NodeId> revoked_;
  Bytes bytes_;
};

enum class RosterChange { kSame, kNewer };

// May `offered` take the place of `current`? Both are of one mesh (asserted).
// kStale: a lower epoch (a rollback). kConflict: the same epoch with other bytes, or a later one in
// which a revoked member is back or a certificate is older than the one it replaces: someone else
// signs with the authority's key, or it was restored from an old copy. That is an alarm.
Result<RosterChange> check_update(const Roster& current, const Roster& offered);

}  // namespace weft::crypto

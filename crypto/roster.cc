#include "crypto/roster.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace weft::crypto {
namespace {

constexpr std::string_view kMagic = "WFTR1";
constexpr size_t kSignatureBytes = sizeof(Signature::bytes);
constexpr size_t kIdBytes = sizeof(NodeId::bytes);

Error corrupt(const std::string& why) {
  return Error(ErrorCode::kCorrupt, cat("a roster ", why));
}

struct Header {
  ClusterId cluster;
  uint64_t epoch = 0;
  uint16_t members = 0;
  uint16_t revoked = 0;
};

// The header, once the length of the whole is the one that it implies.
Result<Header> read_header(ByteReader& reader, size_t total_bytes) {
  if (total_bytes < kRosterHeaderBytes + kSignatureBytes || total_bytes > kRosterBytesMax) {
    return corrupt(cat("has ", total_bytes, " bytes"));
  }
  Header header;
  WEFT_TRY(const ByteView magic, reader.take(kMagic.size()));
  if (as_text(magic) != kMagic) return corrupt("does not begin with WFTR1");
  WEFT_TRY(header.cluster, read_id<ClusterId>(reader));
  WEFT_TRY(header.epoch, reader.number<uint64_t>());
  WEFT_TRY(header.members, reader.number<uint16_t>());
  WEFT_TRY(header.revoked, reader.number<uint16_t>());
  if (header.members > kMembersMax || header.revoked > kRevokedMax) {
    return corrupt(cat("has ", header.members, " members and ", header.revoked,
                       " revoked ids; the limits are ", kMembersMax, " and ", kRevokedMax));
  }
  const size_t expected = kRosterHeaderBytes + header.members * kCertificateBytes +
                          header.revoked * kIdBytes + kSignatureBytes;
  if (total_bytes != expected) {
    return corrupt(cat("has ", total_bytes, " bytes, its counts need ", expected));
  }
  return header;
}

template <typename Range, typename Project>
bool all_rise(const Range& range, Project project) {
  return std::adjacent_find(range.begin(), range.end(), [&](const auto& a, const auto& b) {
           return project(a) >= project(b);
         }) == range.end();
}

}  // namespace

Result<> Roster::check_members() const {
  const auto conflict = [](const std::string& why) { return Error(ErrorCode::kConflict, why); };
  if (epoch_ == 0) return Error(ErrorCode::kInvalid, "a roster's epoch starts at 1");
  if (!all_rise(members_, [](const Certificate& member) { return member.member_id(); }) ||
      !all_rise(revoked_, [](const NodeId& id) { return id; })) {
    return conflict("two entries of the roster have the same id, or are out of order");
  }
  std::set<std::string_view> names;
  std::set<CurveKey> keys;
  for (const Certificate& member : members_) {
    if (!names.insert(member.name()).second) {
      return conflict(cat("a member named '", member.name(),
                          "' is in the mesh already; choose another name with --name"));
    }
    if (!keys.insert(member.curve()).second) {
      return conflict(cat("'", member.name(), "' has the link key of another member"));
    }
    if (is_revoked(member.member_id())) {
      return conflict(cat("'", member.name(),
                          "' was revoked; to let it in again, let it join with a "
                          "new identity (an empty folder)"));
    }
  }
  return {};
}

Result<Roster> Roster::issue(uint64_t epoch, std::vector<Certificate> members,
                             std::vector<NodeId> revoked, const SigningKey& authority) {
  if (members.size() > kMembersMax) {
    return Error(ErrorCode::kExhausted,
                 cat("a mesh has at most ", kMembersMax, " members; revoke one first"));
  }
  if (revoked.size() > kRevokedMax) {
    return Error(ErrorCode::kExhausted, cat("a mesh remembers at most ", kRevokedMax,
                                            " revoked devices; make a new mesh"));
  }
  Roster roster;
  roster.epoch_ = epoch;
  roster.cluster_id_ = cluster_id_of(authority.public_key());
  roster.members_ = std::move(members);
  roster.revoked_ = std::move(revoked);
  std::sort(roster.members_.begin(), roster.members_.end(),
            [](const auto& a, const auto& b) { return a.member_id() < b.member_id(); });
  std::sort(roster.revoked_.begin(), roster.revoked_.end());
  WEFT_CHECK(roster.check_members());

  ByteWriter writer;
  writer.append(as_bytes(kMagic)).append(roster.cluster_id_.bytes).number(epoch);
  writer.number(uint16_t(roster.members_.size())).number(uint16_t(roster.revoked_.size()));
  for (const Certificate& member : roster.members_) writer.append(member.bytes());
  for (const NodeId& id : roster.revoked_) writer.append(id.bytes);
  const Signature signature = authority.sign(kRosterDomain, writer.bytes());
  roster.bytes_ = writer.append(signature.bytes).take();
  return roster;
}

Result<Roster> Roster::parse(ByteView bytes, const VerifyKey& authority) {
  ByteReader reader(bytes);
  WEFT_TRY(const Header header, read_header(reader, bytes.size()));
  Roster roster;
  roster.cluster_id_ = cluster_id_of(authority);
  if (header.cluster != roster.cluster_id_) {
    return Error(ErrorCode::kDenied, cat("a roster of another mesh (", short_string(header.cluster),
                                         "), this one is ", short_string(roster.cluster_id_)));
  }
  Signature signature;
  std::copy(bytes.end() - kSignatureBytes, bytes.end(), signature.bytes.begin());
  const ByteView signed_bytes = bytes.first(bytes.size() - kSignatureBytes);
  if (!verify_signature(authority, kRosterDomain, signed_bytes, signature)) {
    return Error(ErrorCode::kDenied,
                 "a roster's signature is wrong: it was changed, or not written "
                 "by this mesh's authority");
  }
  roster.epoch_ = header.epoch;
  roster.members_.reserve(header.members);
  for (size_t i = 0; i < header.members; ++i) {
    WEFT_TRY(const ByteView raw, reader.take(kCertificateBytes));
    WEFT_TRY(Certificate member, Certificate::parse(raw, authority).within("a roster"));
    roster.members_.push_back(std::move(member));
  }
  roster.revoked_.reserve(header.revoked);
  for (size_t i = 0; i < header.revoked; ++i) {
    WEFT_TRY(const NodeId id, read_id<NodeId>(reader));
    roster.revoked_.push_back(id);
  }
  if (auto checked = roster.check_members(); !checked.ok()) {
    return corrupt(cat("contradicts itself: ", checked.error().message));
  }
  roster.bytes_.assign(bytes.begin(), bytes.end());
  return roster;
}

const Certificate* Roster::find(const NodeId& member_id) const {
  const auto at = std::lower_bound(
      members_.begin(), members_.end(), member_id,
      [](const Certificate& member, const NodeId& id) { return member.member_id() < id; });
  return at != members_.end() && at->member_id() == member_id ? &*at : nullptr;
}

const Certificate* Roster::find_name(std::string_view name) const {
  const auto at = std::find_if(members_.begin(), members_.end(),
                               [&](const Certificate& member) { return member.name() == name; });
  return at != members_.end() ? &*at : nullptr;
}

const Certificate* Roster::find_curve(const CurveKey& key) const {
  const auto at = std::find_if(members_.begin(), members_.end(),
                               [&](const Certificate& member) { return member.curve() == key; });
  return at != members_.end() ? &*at : nullptr;
}

bool Roster::is_revoked(const NodeId& member_id) const {
  return std::binary_search(revoked_.begin(), revoked_.end(), member_id);
}

Result<const Certificate*> Roster::admit(const CurveKey& key, int64_t now) const {
  const Certificate* member = find_curve(key);
  if (member == nullptr) {
    return Error(ErrorCode::kDenied, cat("no member of the mesh has the link key ",
                                         short_string(key), "; it is a stranger's or was revoked"));
  }
  WEFT_CHECK(member->check_dates(now));
  return member;
}

Result<RosterChange> check_update(const Roster& current, const Roster& offered) {
  WEFT_ASSERT(current.cluster_id() == offered.cluster_id());
  if (offered.epoch() < current.epoch()) {
    return Error(ErrorCode::kStale,
                 cat("a roster of epoch ", offered.epoch(), " was offered, this device has epoch ",
                     current.epoch(), "; the older one is refused"));
  }
  const auto alarm = [&](const std::string& why) {
    return Error(ErrorCode::kConflict,
                 cat("ALARM: ", why,
                     ". Someone else may sign with the authority's key, or it was "
                     "restored from an old copy. Nobody can join until the owner has looked"));
  };
  if (offered.epoch() == current.epoch()) {
    if (offered.bytes() == current.bytes()) return RosterChange::kSame;
    return alarm(cat("there are two different rosters of epoch ", current.epoch()));
  }
  for (const NodeId& id : current.revoked()) {
    if (const Certificate* back = offered.find(id)) {
      return alarm(cat("the roster of epoch ", offered.epoch(), " has the revoked member '",
                       back->name(), "' again"));
    }
  }
  for (const Certificate& member : current.members()) {
    const Certificate* next = offered.find(member.member_id());
    if (next != nullptr && next->serial() < member.serial()) {
      return alarm(cat("the roster of epoch ", offered.epoch(), " has an older certificate of '",
                       member.name(), "'"));
    }
  }
  return RosterChange::kNewer;
}

}  // namespace weft::crypto

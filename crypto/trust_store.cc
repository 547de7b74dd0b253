#include "crypto/trust_store.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/sealed.h"

namespace weft::crypto {
namespace {

constexpr std::string_view kIdentityName = "identity.key", kAuthorityName = "authority.key",
                           kMeshName = "mesh", kInvitesName = "invites", kAlarmName = "alarm";
constexpr std::string_view kMeshMagic = "WFTM1";
constexpr size_t kMeshFileMax = kMagicBytes + 32 + kRosterBytesMax + kSealBytes;
constexpr size_t kAlarmBytesMax = 1000;
constexpr size_t kNamesShown = 20;

std::string names_of(const Roster& roster) {
  std::string names;
  size_t shown = 0;
  for (const Certificate& member : roster.members()) {
    if (shown++ == kNamesShown) return names + ", ...";
    names += cat(names.empty() ? "" : ", ", "'", member.name(), "'");
  }
  return names;
}

// A certificate with the next serial for these keys, good from now.
Result<Certificate> issue(const Authority& authority, uint64_t serial, uint32_t roles,
                          const Candidate& candidate, int64_t now) {
  MemberFacts facts;
  facts.serial = serial;
  facts.roles = roles;
  facts.identity = candidate.identity;
  facts.curve = candidate.curve;
  facts.name = candidate.name;
  facts.not_before = now;
  facts.not_after = std::min(now, kDateMax - kCertificateSeconds) + kCertificateSeconds;
  return Certificate::issue(std::move(facts), authority.key());
}

// The members with `fresh` in the place of an older certificate of its id, or added.
std::vector<Certificate> with_member(std::vector<Certificate> members, const Certificate& fresh) {
  std::erase_if(members,
                [&](const auto& member) { return member.member_id() == fresh.member_id(); });
  members.push_back(fresh);
  return members;
}

}  // namespace

Result<TrustStore> TrustStore::open(const std::string& folder) {
  WEFT_TRY(PrivateFolder opened, PrivateFolder::open(folder));
  return TrustStore(std::move(opened));
}

Result<Identity> TrustStore::identity() {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  return load_identity(lock);
}

Result<Identity> TrustStore::load_identity(const FolderLock& lock) {
  WEFT_TRY(const bool known, folder_.has(kIdentityName));
  if (!known) {
    Identity made = Identity::generate();
    WEFT_CHECK(folder_.write(lock, kIdentityName, made.encode().view()));
    return made;
  }
  WEFT_TRY(const auto file, folder_.read_secret<kIdentityFileBytes>(kIdentityName));
  return Identity::decode(file).within(
      cat(path(), "/", kIdentityName,
          " is damaged (restore it from a backup, or empty the folder and join again)"));
}

Result<bool> TrustStore::in_mesh() const {
  return folder_.has(kMeshName);
}

Result<std::pair<VerifyKey, Roster>> TrustStore::load_mesh() const {
  WEFT_TRY(const bool known, in_mesh());
  if (!known) {
    return Error(ErrorCode::kNotFound,
                 cat(path(),
                     " is in no mesh yet; make one with: weft init, or enter one with: weft "
                     "join CODE"));
  }
  const auto parse = [&]() -> Result<std::pair<VerifyKey, Roster>> {
    WEFT_TRY(const Bytes file, folder_.read(kMeshName, kMeshFileMax));
    WEFT_TRY(const ByteView payload, unseal(kMeshMagic, file));
    ByteReader reader(payload);
    WEFT_TRY(const VerifyKey authority, read_id<VerifyKey>(reader));
    WEFT_TRY(const ByteView raw, reader.take(reader.remaining()));
    WEFT_TRY(Roster roster, Roster::parse(raw, authority));
    return std::pair(authority, std::move(roster));
  };
  return parse().within(cat("read ", path(), "/", kMeshName));
}

Result<Membership> TrustStore::load() const {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  return load_membership(lock);
}

Result<Membership> TrustStore::load_membership(const FolderLock&) const {
  WEFT_TRY(auto mesh, load_mesh());
  auto& [authority, roster] = mesh;
  WEFT_TRY(const auto file, folder_.read_secret<kIdentityFileBytes>(kIdentityName));
  WEFT_TRY(const Identity own, Identity::decode(file).within(cat(path(), "/", kIdentityName)));
  const Certificate* self = roster.find(own.member_id());
  if (self == nullptr) {
    return Error(ErrorCode::kDenied,
                 cat("this device was revoked from mesh ", short_string(roster.cluster_id()),
                     "; to enter it again, use an empty --dir and: weft join CODE"));
  }
  if (self->curve() != own.curve().public_key()) {
    return Error(ErrorCode::kCorrupt,
                 cat("the link key in ", path(), "/", kIdentityName,
                     " is not the one of this device's certificate; restore it "
                     "from a backup, or join again"));
  }
  WEFT_TRY(const bool holds_authority, folder_.has(kAuthorityName));
  const Certificate own_certificate = *self;
  return Membership{authority, std::move(roster), own_certificate, holds_authority};
}

Result<uint64_t> TrustStore::stored_epoch() const {
  WEFT_TRY(const bool known, in_mesh());
  if (!known) return uint64_t{0};
  WEFT_TRY(const Bytes file, folder_.read(kMeshName, kMeshFileMax));
  ByteReader reader(file);
  constexpr size_t kEpochInRoster = 5 + 32;
  WEFT_CHECK(reader.take(kMagicBytes + 32 + kEpochInRoster));
  return reader.number<uint64_t>();
}

Result<> TrustStore::save_mesh(const FolderLock& lock, const VerifyKey& authority,
                               const Roster& roster) {
  Bytes file(kMagicBytes);
  file.insert(file.end(), authority.bytes.begin(), authority.bytes.end());
  file.insert(file.end(), roster.bytes().begin(), roster.bytes().end());
  file.resize(file.size() + kSealBytes);
  seal(kMeshMagic, file);
  return folder_.write(lock, kMeshName, file);
}

Result<> TrustStore::save_authority(const FolderLock& lock, const Authority& authority) {
  return folder_.write(lock, kAuthorityName, authority.encode().view());
}

// A roster with this device alone. The mesh file is written last: until then there is no mesh.
Result<Roster> TrustStore::start_mesh(const FolderLock& lock, const Authority& authority,
                                      const std::string& name, uint64_t epoch, int64_t now) {
  WEFT_TRY(const Identity own, load_identity(lock));
  const Candidate self{own.signing().public_key(), own.curve().public_key(), name};
  WEFT_TRY(Certificate first, issue(authority, epoch, kRolesOfMember | kRoleAuthority, self, now));
  WEFT_TRY(Roster roster, Roster::issue(epoch, {std::move(first)}, {}, authority.key()));
  WEFT_CHECK(save_authority(lock, authority));
  WEFT_CHECK(save_mesh(lock, authority.public_key(), roster));
  return roster;
}

Result<NewMesh> TrustStore::create_mesh(const std::string& name, int64_t now) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(const bool known, in_mesh());
  if (known) {
    return Error(ErrorCode::kConflict, cat(path(),
                                           " is in a mesh already; weft members lists it. For "
                                           "another mesh use another --dir"));
  }
  const Authority authority = Authority::generate();
  WEFT_TRY(const Roster roster, start_mesh(lock, authority, name, 1, now));
  return NewMesh{roster.cluster_id(), authority.recovery_code()};
}

Result<> TrustStore::restore_authority(std::string_view recovery_code, const std::string& name,
                                       int64_t now) {
  WEFT_TRY(const Authority authority, Authority::from_recovery_code(recovery_code));
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(const bool known, in_mesh());
  if (!known) {
    const uint64_t epoch = uint64_t(std::clamp<int64_t>(now, 1, kDateMax));
    WEFT_CHECK(start_mesh(lock, authority, name, epoch, now));
    return {};
  }
  WEFT_TRY(const Membership membership, load_membership(lock));
  if (membership.authority != authority.public_key()) {
    return Error(ErrorCode::kDenied,
                 cat("this recovery code is of mesh ", short_string(authority.cluster_id()),
                     ", this device is in ", short_string(membership.roster.cluster_id())));
  }
  return save_authority(lock, authority);
}

Result<> TrustStore::store_joined(const VerifyKey& authority, const Roster& roster) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(const bool known, in_mesh());
  if (known) {
    WEFT_TRY(const auto mesh, load_mesh());
    if (mesh.first != authority) {
      return Error(ErrorCode::kConflict,
                   cat(path(), " is in mesh ", short_string(mesh.second.cluster_id()),
                       " already; use another --dir for mesh ", short_string(roster.cluster_id())));
    }
    WEFT_CHECK(check_update(mesh.second, roster));
  }
  return save_mesh(lock, authority, roster);
}

Result<> TrustStore::leave() {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(const bool holds_authority, folder_.has(kAuthorityName));
  if (holds_authority) {
    return Error(ErrorCode::kDenied,
                 cat("this device holds the mesh's authority key; without it nobody "
                     "can be let in or revoked. Remove ",
                     path(), " by hand if that is meant"));
  }
  for (const std::string_view name : {kMeshName, kIdentityName, kInvitesName, kAlarmName}) {
    WEFT_CHECK(folder_.remove(lock, name));
  }
  return {};
}

Result<RosterChange> TrustStore::apply_roster(ByteView bytes) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(const auto mesh, load_mesh());
  WEFT_TRY(const Roster offered, Roster::parse(bytes, mesh.first));
  const Result<RosterChange> change = check_update(mesh.second, offered);
  if (!change.ok() && change.error().code == ErrorCode::kConflict) {
    const std::string_view text =
        std::string_view(change.error().message).substr(0, kAlarmBytesMax);
    WEFT_CHECK(folder_.write(lock, kAlarmName, as_bytes(text)));
  }
  if (change.ok() && *change == RosterChange::kNewer) {
    WEFT_CHECK(save_mesh(lock, mesh.first, offered));
  }
  return change;
}

Result<std::pair<Authority, Membership>> TrustStore::load_authority(const FolderLock& lock) const {
  WEFT_TRY(Membership membership, load_membership(lock));
  if (!membership.holds_authority) {
    std::string holder;
    for (const Certificate& member : membership.roster.members()) {
      if (member.roles() & kRoleAuthority) holder = cat(" on '", member.name(), "'");
    }
    return Error(ErrorCode::kDenied,
                 cat("only the device that holds the mesh's authority key can do "
                     "this; run the command there",
                     holder));
  }
  WEFT_TRY(const auto file, folder_.read_secret<kAuthorityFileBytes>(kAuthorityName));
  WEFT_TRY(Authority authority,
           Authority::decode(file).within(
               cat(path(), "/", kAuthorityName, " is damaged; restore it with the recovery code")));
  if (authority.public_key() != membership.authority) {
    return Error(ErrorCode::kCorrupt, cat(path(), "/", kAuthorityName,
                                          " is of another mesh; restore "
                                          "it with the recovery code"));
  }
  return std::pair(std::move(authority), std::move(membership));
}

Result<InviteBook> TrustStore::load_invites(const FolderLock&) const {
  WEFT_TRY(const bool known, folder_.has(kInvitesName));
  if (!known) return InviteBook();
  WEFT_TRY(const Bytes file, folder_.read(kInvitesName, InviteBook::file_bytes_max()));
  return InviteBook::decode(file).within(
      cat(path(), "/", kInvitesName, " is damaged (remove it; open codes end with it)"));
}

Result<Invite> TrustStore::create_invite(int64_t now) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(const auto authority, load_authority(lock));
  WEFT_CHECK(check_no_alarm());
  WEFT_CHECK(authority.second.self.check_dates(now));
  WEFT_TRY(InviteBook book, load_invites(lock));
  InviteSecret secret = InviteSecret::generate();
  WEFT_CHECK(book.add(secret.id(), now));
  const int64_t expires_at = book.entries().back().expires_at;
  WEFT_CHECK(folder_.write(lock, kInvitesName, book.encode()));
  return Invite{std::move(secret), expires_at};
}

// Everything of an admission but its storing.
Result<Admission> TrustStore::prepare(const FolderLock& lock, const Candidate& candidate,
                                      int64_t now) const {
  WEFT_TRY(const auto loaded, load_authority(lock));
  const auto& [authority, membership] = loaded;
  WEFT_CHECK(check_no_alarm());
  WEFT_CHECK(membership.self.check_dates(now));
  const Roster& roster = membership.roster;
  const Certificate* known = roster.find(member_id_of(candidate.identity));
  const uint32_t roles = known != nullptr ? known->roles() : kRolesOfMember;
  const uint64_t epoch = roster.epoch() + 1;
  WEFT_TRY(Certificate fresh, issue(authority, epoch, roles, candidate, now));
  WEFT_TRY(Roster next, Roster::issue(epoch, with_member(roster.members(), fresh), roster.revoked(),
                                      authority.key()));
  return Admission{authority.public_key(), std::move(fresh), std::move(next)};
}

Result<> TrustStore::can_admit(const Digest& invite, const Candidate& candidate, int64_t now) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(const InviteBook book, load_invites(lock));
  WEFT_CHECK(book.check(invite, now));
  WEFT_CHECK(prepare(lock, candidate, now));
  return {};
}

Result<Admission> TrustStore::admit(const Digest& invite, const Candidate& candidate, int64_t now) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(InviteBook book, load_invites(lock));
  WEFT_CHECK(book.check(invite, now));
  WEFT_TRY(Admission admission, prepare(lock, candidate, now));
  WEFT_ASSERT(book.burn(invite));
  WEFT_CHECK(folder_.write(lock, kInvitesName, book.encode()));
  WEFT_CHECK(save_mesh(lock, admission.authority, admission.roster));
  return admission;
}

Result<> TrustStore::burn_invite(const Digest& invite) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(InviteBook book, load_invites(lock));
  if (!book.burn(invite)) return {};
  return folder_.write(lock, kInvitesName, book.encode());
}

Result<Admission> TrustStore::add_member(const Candidate& candidate, int64_t now) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(Admission admission, prepare(lock, candidate, now));
  WEFT_CHECK(save_mesh(lock, admission.authority, admission.roster));
  return admission;
}

Result<Roster> TrustStore::revoke(std::string_view name) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(const auto loaded, load_authority(lock));
  const auto& [authority, membership] = loaded;
  const Roster& roster = membership.roster;
  const Certificate* member = roster.find_name(name);
  if (member == nullptr) {
    return Error(ErrorCode::kNotFound,
                 cat("no member is named '", printable(name), "'; there are ", names_of(roster)));
  }
  const NodeId id = member->member_id();
  if (id == membership.self.member_id()) {
    return Error(ErrorCode::kInvalid, cat("'", name,
                                          "' is this device, which holds the authority key; "
                                          "it cannot revoke itself"));
  }
  std::vector<Certificate> members = roster.members();
  std::erase_if(members, [&](const auto& candidate) { return candidate.member_id() == id; });
  std::vector<NodeId> revoked = roster.revoked();
  revoked.push_back(id);
  WEFT_TRY(Roster next, Roster::issue(roster.epoch() + 1, std::move(members), std::move(revoked),
                                      authority.key()));
  WEFT_CHECK(save_mesh(lock, authority.public_key(), next));
  return next;
}

Result<Roster> TrustStore::renew(int64_t now, bool even_if_expired) {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  WEFT_TRY(auto loaded, load_authority(lock));
  auto& [authority, membership] = loaded;
  now = std::clamp<int64_t>(now, 0, kDateMax);
  if (!even_if_expired) WEFT_CHECK(membership.self.check_dates(now));
  Roster& roster = membership.roster;
  const uint64_t epoch = roster.epoch() + 1;
  std::vector<Certificate> members;
  bool changed = false;
  for (const Certificate& member : roster.members()) {
    const bool ends_soon = member.not_after() - now < kRenewBeforeSeconds;
    changed = changed || ends_soon;
    const Candidate same{member.identity(), member.curve(), member.name()};
    WEFT_TRY(Certificate next, ends_soon ? issue(authority, epoch, member.roles(), same, now)
                                         : Result<Certificate>(member));
    members.push_back(std::move(next));
  }
  if (!changed) return std::move(roster);
  WEFT_TRY(Roster next,
           Roster::issue(epoch, std::move(members), roster.revoked(), authority.key()));
  WEFT_CHECK(save_mesh(lock, authority.public_key(), next));
  return next;
}

Result<std::optional<std::string>> TrustStore::alarm() const {
  WEFT_TRY(const bool raised, folder_.has(kAlarmName));
  if (!raised) return std::optional<std::string>();
  WEFT_TRY(const Bytes text, folder_.read(kAlarmName, kAlarmBytesMax));
  return std::optional<std::string>(printable(as_text(text), kAlarmBytesMax));
}

Result<> TrustStore::check_no_alarm() const {
  WEFT_TRY(const auto raised, alarm());
  if (!raised) return {};
  return Error(ErrorCode::kConflict, cat("joins are stopped: ", *raised));
}

Result<> TrustStore::clear_alarm() {
  WEFT_TRY(const FolderLock lock, folder_.lock());
  return folder_.remove(lock, kAlarmName);
}

}  // namespace weft::crypto

// Everything a device keeps about trust, in one private folder:
//   identity.key   who this device is (identity.h)
//   mesh           the authority's public key and the roster, in one file, so that either both or
//                  neither is there; its presence is what "this device is in a mesh" means
//   authority.key  only where the mesh was made or its key was restored (authority.h)
//   invites        which codes may still be used, by their hashes (invite.h)
//   alarm          why joins have stopped
//   trust.lock     held by the command that reads, decides and writes
//
// Every operation takes the lock, so commands and threads may use the folder at the same time. What
// an operation returns has been stored. Time is handed in: seconds since 1970 UTC.
#pragma once

#include <optional>
#include <string>

#include "crypto/authority.h"
#include "crypto/identity.h"
#include "crypto/invite.h"
#include "crypto/private_folder.h"
#include "crypto/roster.h"

namespace weft::crypto {

// Certificates that end within this time are renewed by renew().
inline constexpr int64_t kRenewBeforeSeconds = int64_t{60} * 24 * 3600;

struct NewMesh {
  ClusterId cluster_id;
  std::string recovery_code;  // shown once, then wiped
};

struct Membership {
  VerifyKey authority;
  Roster roster;
  Certificate self;
  bool holds_authority = false;
};

// A device that asks to become a member.
struct Candidate {
  VerifyKey identity;
  CurveKey curve;
  std::string name;
};

struct Admission {
  VerifyKey authority;
  Certificate certificate;
  Roster roster;  // has the certificate
};

struct Invite {
  InviteSecret secret;
  int64_t expires_at = 0;
};

class TrustStore {
 public:
  // Opens the folder, made if it is not there. kDenied as PrivateFolder::open says it.
  static Result<TrustStore> open(const std::string& folder);

  // This device's identity, made and stored the first time.
  Result<Identity> identity();

  // True if this device is in a mesh, or was until it was revoked.
  Result<bool> in_mesh() const;
  // kNotFound: not in a mesh, with the commands that change it. kDenied: this device was revoked.
  // Dates are not checked: see Certificate::check_dates.
  Result<Membership> load() const;
  // The stored roster's epoch without verifying it, 0 without a mesh: to notice, about once a
  // second, that another command has changed the roster.
  Result<uint64_t> stored_epoch() const;

  // Makes a mesh whose first member, and authority, is this device.
  // kConflict if the folder is in one already; kInvalid for a bad name.
  Result<NewMesh> create_mesh(const std::string& name, int64_t now);
  // Makes this device the authority again. In a mesh: the code must be of that mesh (kDenied).
  // Without one: a new roster with this device alone, of an epoch (`now`) later than any counted
  // one, so that the old members take it and then join again.
  Result<> restore_authority(std::string_view recovery_code, const std::string& name, int64_t now);
  // Stores what a join brought. kConflict if the folder is in another mesh.
  Result<> store_joined(const VerifyKey& authority, const Roster& roster);
  // Forgets the mesh and this device's identity. kDenied where the authority key is.
  Result<> leave();

  // Takes a roster that a member passed on. Errors as Roster::parse and check_update; kConflict
  // also stores the alarm that stops joins.
  Result<RosterChange> apply_roster(ByteView bytes);

  // The rest works only where the authority key is (kDenied names the device that has it).
  // Each that changes the roster stores the next epoch before it returns.

  // Makes a code. kConflict while there is an alarm.
  Result<Invite> create_invite(int64_t now);
  // Would admit() let this candidate in with this code? The same errors; changes nothing.
  Result<> can_admit(const Digest& invite, const Candidate& candidate, int64_t now);
  // Burns the code, then adds the member; a device with a known identity gets a new certificate in
  // the place of its old one. Errors, which leave the code as it was: InviteBook::check; kConflict
  // for a name or key that another member has, a revoked identity, or an alarm; kExhausted at
  // kMembersMax; kDenied if this device's clock is outside its own certificate.
  Result<Admission> admit(const Digest& invite, const Candidate& candidate, int64_t now);
  // Ends a code, used or not.
  Result<> burn_invite(const Digest& invite);
  // Adds a member without a code, for tests and tools.
  Result<Admission> add_member(const Candidate& candidate, int64_t now);
  // kNotFound with the names there are; kInvalid for this device itself.
  Result<Roster> revoke(std::string_view name);
  // Renews the certificates that end soon; returns the roster in force, new or not.
  // kDenied if this device's own dates do not hold, since then its clock is the likelier culprit;
  // `even_if_expired` is for an owner who has looked at the clock.
  Result<Roster> renew(int64_t now, bool even_if_expired = false);

  // Why joins have stopped, if they have.
  Result<std::optional<std::string>> alarm() const;
  // The owner has looked.
  Result<> clear_alarm();

  const std::string& path() const { return folder_.path(); }
  PrivateFolder& folder() { return folder_; }

 private:
  explicit TrustStore(PrivateFolder folder) : folder_(std::move(folder)) {}

  Result<std::pair<VerifyKey, Roster>> load_mesh() const;
  Result<> save_mesh(const FolderLock& lock, const VerifyKey& authority, const Roster& roster);
  Result<Identity> load_identity(const FolderLock& lock);
  Result<Membership> load_membership(const FolderLock& lock) const;
  Result<std::pair<Authority, Membership>> load_authority(const FolderLock& lock) const;
  Result<InviteBook> load_invites(const FolderLock& lock) const;
  Result<> save_authority(const FolderLock& lock, const Authority& authority);
  Result<Roster> start_mesh(const FolderLock& lock, const Authority& authority,
                            const std::string& name, uint64_t epoch, int64_t now);
  Result<Admission> prepare(const FolderLock& lock, const Candidate& candidate, int64_t now) const;
  Result<> check_no_alarm() const;

  PrivateFolder folder_;
};

}  // namespace weft::crypto

// An invite: 128 random bits that two devices share through their people. Whoever has them can talk
// to the inviter's temporary socket; nobody else reaches a parser there.
#pragma once

#include <string>
#include <vector>

#include "base/id.h"
#include "crypto/keys.h"

namespace weft::crypto {

inline constexpr int64_t kInviteSeconds = 600;
// Codes known to one authority, used and expired ones of the last day among them.
inline constexpr size_t kInvitesMax = 64;

class InviteSecret {
 public:
  static InviteSecret generate();
  // Reads what a person typed. kInvalid with what is wrong, before anything is sent.
  static Result<InviteSecret> from_code(std::string_view code);

  // "7K3M-…", seven groups of four; upper case, so a QR code holds it compactly. It is the secret.
  std::string code() const;
  // The link keys of the temporary socket: BLAKE2b-256(key = S, label) are the secret halves.
  // The server admits only client_keys().public_key(); the client expects only the server's.
  CurveKeys server_keys() const;
  CurveKeys client_keys() const;
  // 16 hexadecimal digits by which mDNS may show where the socket is; tells nothing about the code.
  std::string rendezvous_tag() const;
  // What is stored in place of the secret.
  Digest id() const;

 private:
  explicit InviteSecret(Secret<16> secret) : secret_(std::move(secret)) {}
  Digest derive(std::string_view label) const;
  Secret<32> derive_secret(std::string_view label) const;

  Secret<16> secret_;
};

// Which codes may still be used: a table that the authority keeps on disk.
class InviteBook {
 public:
  enum class State : uint8_t { kOpen = 0, kBurned = 1 };
  struct Entry {
    Digest id;
    int64_t created_at = 0;
    int64_t expires_at = 0;
    State state = State::kOpen;
  };

  // kCorrupt for anything but what encode() made.
  static Result<InviteBook> decode(ByteView file);
  Bytes encode() const;
  static constexpr size_t file_bytes_max();

  // Adds an open code that ends kInviteSeconds from now. kExhausted if kInvitesMax are known.
  Result<> add(const Digest& id, int64_t now);
  // May this code be used? kNotFound: never made here; kDenied: used; kTimeout: too late, or the
  // clock was set back to before it was made.
  Result<> check(const Digest& id, int64_t now) const;
  // Marks the code as used; false if it is not known or was used before.
  bool burn(const Digest& id);

  const std::vector<Entry>& entries() const { return entries_; }

 private:
  void forget_old(int64_t now);
  std::vector<Entry> entries_;
};

inline constexpr size_t kInviteEntryBytes = 32 + 8 + 8 + 1;
constexpr size_t InviteBook::file_bytes_max() {
  return 5 + kInvitesMax * kInviteEntryBytes + 16;
}

}  // namespace weft::crypto

// Joining: two state machines over opaque frames, one on each side of the temporary socket that an
// invite's keys protect (invite.h). Transport only carries what they make.
//
//   joiner                               inviter (holds the authority key)
//   make_request()      -- request -->   on_request(): checks it, shows name and six digits
//   digits()                             the owner compares the digits, then confirm() or reject()
//   on_reply()          <-- reply ---    confirm(): burns the code, stores the roster, then replies
//   store, then Joined.ack  -- ack -->   on_ack(): the joiner has stored what it got
//
// A refusal is a reply too (refusal()), so the joiner's user reads why.
//
//   request  "WFTJQ", version u16, nonce 32, clock i64, ed_pk 32, curve_pk 32, name 64,
//            Ed25519 over "weft/join/1\0" || server key || all before it
//   reply    "WFTJK", version u16, authority_pk 32, nonce 32, certificate 273, roster to the end
//   refusal  "WFTJX", version u16, error code u8, text of up to kRefusalTextMax bytes to the end
//   ack      "WFTJA", version u16, BLAKE2b-256 of the reply
//
// Sessions belong to one thread. Time is handed in: seconds since 1970 UTC.
#pragma once

#include <optional>
#include <string>

#include "crypto/trust_store.h"

namespace weft::crypto {

inline constexpr uint16_t kJoinVersion = 1;
inline constexpr size_t kJoinRequestBytes = 5 + 2 + 32 + 8 + 32 + 32 + 64 + 64;
inline constexpr size_t kJoinReplyHeaderBytes = 5 + 2 + 32 + 32 + kCertificateBytes;
// Also the largest frame that the temporary socket needs to take in.
inline constexpr size_t kJoinReplyBytesMax = kJoinReplyHeaderBytes + kRosterBytesMax;
inline constexpr size_t kRefusalTextMax = 600;
// Requests that one invite's session looks at; whoever has the code can send bad ones.
inline constexpr int kJoinRequestsMax = 16;

using JoinNonce = ByteId<struct JoinNonceTag, 32>;

struct JoinRequest {
  JoinNonce nonce;
  int64_t clock = 0;  // the joiner's, so that a wrong one is found before the code is burned
  VerifyKey identity;
  CurveKey curve;
  std::string name;
};

Bytes encode_join_request(const JoinRequest& request, const SigningKey& identity,
                          const CurveKey& server);
// Reads hostile bytes. kCorrupt: length, magic, name; kUnsupported: another version; kDenied: the
// signature is wrong; kInvalid: an unusable link key.
Result<JoinRequest> parse_join_request(ByteView bytes, const CurveKey& server);
// The six digits of a request, "042137", the same on both screens.
std::string join_digits(ByteView request, const CurveKey& server);

struct PendingJoin {
  std::string name;
  std::string digits;
  NodeId member_id;
};

class InviterSession {
 public:
  // The store outlives the session.
  InviterSession(TrustStore& store, InviteSecret secret);

  // For the temporary socket: its own keys, and the one key that its ZAP domain admits.
  const CurveKeys& server_keys() const { return server_keys_; }
  CurveKey client_key() const { return secret_.client_keys().public_key(); }

  // Looks at a request; nothing is stored yet. The same request again gives the same answer.
  // Errors to show and to send as refusal(): as parse_join_request; kConflict: another device sent
  // a request with this code first; kDenied: the clocks are apart; kExhausted: too many requests;
  // and those of TrustStore::can_admit (code used, ended, name taken, alarm).
  Result<PendingJoin> on_request(ByteView bytes, int64_t now);

  // The owner agreed. Burns the code on disk, stores the next roster, then makes the reply; again
  // after that: the same reply. kInvalid before a request; else as TrustStore::admit.
  Result<Bytes> confirm(int64_t now);
  // The owner did not. Burns the code, since someone else may know it.
  Result<Bytes> reject();

  // kCorrupt unless it acknowledges the reply that was made. The roster is good without it: an ack
  // that is lost costs nothing.
  Result<> on_ack(ByteView bytes) const;

  // The new roster after confirm(), to push to all.
  const std::optional<Admission>& admission() const { return admission_; }

  static Bytes refusal(const Error& error);

 private:
  TrustStore& store_;
  InviteSecret secret_;
  CurveKeys server_keys_;
  int requests_ = 0;
  bool rejected_ = false;
  Bytes request_bytes_;
  std::optional<JoinRequest> request_;
  std::optional<Admission> admission_;
  Bytes reply_;
};

// What a join brought, verified; hand it to TrustStore::store_joined, then send the ack.
struct Joined {
  VerifyKey authority;
  Certificate certificate;
  Roster roster;
  Bytes ack;
};

class JoinerSession {
 public:
  // The identity outlives the session. kInvalid for a bad name.
  static Result<JoinerSession> start(const Identity& identity, std::string name,
                                     InviteSecret secret, int64_t now);

  // For the socket: its own keys, and the key that it expects of the inviter.
  CurveKeys client_keys() const { return secret_.client_keys(); }
  const CurveKey& server_key() const { return server_key_; }
  std::string rendezvous_tag() const { return secret_.rendezvous_tag(); }

  // The same bytes each time, so that it may be sent again after a reconnect.
  const Bytes& request() const { return request_bytes_; }
  std::string digits() const { return join_digits(request_bytes_, server_key_); }

  // Verifies a reply: this request's nonce, a certificate for this device's keys and name, signed
  // by the authority whose roster holds it, good at `now`. An inviter's refusal comes back as its
  // error. kCorrupt, kDenied, kUnsupported as above; nothing is stored.
  Result<Joined> on_reply(ByteView bytes, int64_t now) const;

 private:
  JoinerSession(JoinRequest request, Bytes request_bytes, InviteSecret secret, CurveKey server_key)
      : request_(std::move(request)),
        request_bytes_(std::move(request_bytes)),
        secret_(std::move(secret)),
        server_key_(server_key) {}

  JoinRequest request_;
  Bytes request_bytes_;
  InviteSecret secret_;
  CurveKey server_key_;
};

}  // namespace weft::crypto

// Fuzzes every parser of crypto/ that reads another device's bytes or a file.
//
// The first byte picks the parser. Signed formats are tried as they come, which the signature
// stops, and signed afresh, which reaches every field: a parser must hold even where the
// authority's own software is broken. What parses must encode to the same bytes again.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "crypto/code.h"
#include "crypto/join.h"

namespace weft::crypto {
namespace {

const SigningKey& authority() {
  static const SigningKey key{Secret<32>(Bytes(32, 7))};
  return key;
}

const Identity& device() {
  static const Identity identity = Identity::generate();
  return identity;
}

Bytes with_signature(std::string_view domain, ByteView body, const SigningKey& key) {
  const Signature signature = key.sign(domain, body);
  ByteWriter writer;
  return writer.append(body).append(signature.bytes).take();
}

// The head that no random bytes would have, in place of the first ones.
Bytes with_head(std::string_view magic, ByteView head, ByteView body) {
  Bytes bytes(body.begin(), body.end());
  const Bytes start = ByteWriter().append(as_bytes(magic)).append(head).take();
  for (size_t i = 0; i < start.size() && i < bytes.size(); ++i) bytes[i] = start[i];
  return bytes;
}

// A certificate's bytes with its head and its id put right, signed afresh.
Bytes signed_certificate(ByteView body) {
  constexpr size_t kMemberId = 37, kIdentity = 65;
  const ClusterId cluster = cluster_id_of(authority().public_key());
  Bytes bytes = with_head("WFTC1", cluster.bytes, body);
  if (bytes.size() >= kIdentity + 32) {
    VerifyKey identity;
    std::copy_n(bytes.begin() + kIdentity, 32, identity.bytes.begin());
    const NodeId id = member_id_of(identity);
    std::copy(id.bytes.begin(), id.bytes.end(), bytes.begin() + kMemberId);
  }
  return with_signature(kCertificateDomain, bytes, authority());
}

void try_certificate(ByteView bytes) {
  const Result<Certificate> read = Certificate::parse(bytes, authority().public_key());
  if (!read.ok()) return;
  const Result<Certificate> again = Certificate::issue(read->facts(), authority());
  WEFT_ASSERT(again.ok() && *again == *read);
}

void try_roster(ByteView bytes) {
  const Result<Roster> read = Roster::parse(bytes, authority().public_key());
  if (!read.ok()) return;
  const Result<Roster> again =
      Roster::issue(read->epoch(), read->members(), read->revoked(), authority());
  WEFT_ASSERT(again.ok() && again->bytes() == read->bytes());
}

// The roster's certificates signed afresh, then the roster.
Bytes signed_roster(ByteView body) {
  const ClusterId cluster = cluster_id_of(authority().public_key());
  Bytes bytes = with_head("WFTR1", cluster.bytes, body);
  for (size_t at = kRosterHeaderBytes; at + kCertificateBytes <= bytes.size();
       at += kCertificateBytes) {
    const ByteView inner = ByteView(bytes).subspan(at, kCertificateBytes - 64);
    const Bytes fresh = signed_certificate(inner);
    std::copy(fresh.begin(), fresh.end(), bytes.begin() + at);
  }
  return with_signature(kRosterDomain, bytes, authority());
}

void try_join(ByteView bytes) {
  static const InviteSecret secret = InviteSecret::generate();
  static const Result<JoinerSession> joiner = JoinerSession::start(
      device(), "fuzz", *InviteSecret::from_code(secret.code()), 1'800'000'000);
  (void)joiner->on_reply(bytes, 1'800'000'000);
  const CurveKey server = joiner->server_key();
  (void)parse_join_request(bytes, server);
  (void)join_digits(bytes, server);
}

void try_text(std::string_view text) {
  Bytes join(16), recovery(32);
  if (decode_code(kJoinCode, text, join).ok()) {
    Bytes again(16);
    WEFT_ASSERT(decode_code(kJoinCode, encode_code(kJoinCode, join), again).ok() && again == join);
  }
  (void)decode_code(kRecoveryCode, text, recovery);
  if (check_member_name(text).ok()) WEFT_ASSERT(text.size() <= kNameBytesMax);
}

void try_one(uint8_t kind, ByteView bytes) {
  switch (kind % 7) {
    case 0:
      return try_certificate(bytes);
    case 1:
      return try_certificate(signed_certificate(bytes));
    case 2:
      return try_roster(bytes);
    case 3:
      return try_roster(signed_roster(bytes));
    case 4:
      return try_join(bytes);
    case 5:
      return try_text(as_text(bytes));
    case 6:
      (void)InviteBook::decode(bytes);
      return;
  }
}

}  // namespace
}  // namespace weft::crypto

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  weft::crypto::try_one(data[0], {data + 1, size - 1});
  return 0;
}

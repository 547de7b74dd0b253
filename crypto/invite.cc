#include "crypto/invite.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/certificate.h"
#include "crypto/code.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/sealed.h"

namespace weft::crypto {
namespace {

constexpr std::string_view kBookMagic = "WFTN1";
constexpr int64_t kRememberSeconds = 24 * 3600;
// A clock that was stepped by NTP is not one that was set back.
constexpr int64_t kStepSeconds = 60;

}  // namespace

InviteSecret InviteSecret::generate() {
  return InviteSecret(random_secret<16>());
}

Result<InviteSecret> InviteSecret::from_code(std::string_view code) {
  Secret<16> secret;
  WEFT_CHECK(decode_code(kJoinCode, code, secret.writable()));
  return InviteSecret(std::move(secret));
}

std::string InviteSecret::code() const {
  return encode_code(kJoinCode, secret_.view());
}

Digest InviteSecret::derive(std::string_view label) const {
  return blake2b_256(secret_.view(), as_bytes(label));
}

Secret<32> InviteSecret::derive_secret(std::string_view label) const {
  Digest digest = derive(label);
  Secret<32> secret(digest.bytes);
  wipe(digest.bytes);
  return secret;
}

CurveKeys InviteSecret::server_keys() const {
  return CurveKeys(derive_secret("weft/invite/server/1"));
}

CurveKeys InviteSecret::client_keys() const {
  return CurveKeys(derive_secret("weft/invite/client/1"));
}

std::string InviteSecret::rendezvous_tag() const {
  return hex(derive("weft/invite/rendezvous/1").bytes.data(), 8);
}

Digest InviteSecret::id() const {
  return derive("weft/invite/id/1");
}

Result<InviteBook> InviteBook::decode(ByteView file) {
  WEFT_TRY(const ByteView payload, unseal(kBookMagic, file));
  if (payload.size() % kInviteEntryBytes != 0 || payload.size() / kInviteEntryBytes > kInvitesMax) {
    return Error(ErrorCode::kCorrupt, cat("a table of ", payload.size(), " bytes"));
  }
  InviteBook book;
  ByteReader reader(payload);
  while (reader.remaining() > 0) {
    Entry entry;
    WEFT_TRY(entry.id, read_id<Digest>(reader));
    WEFT_TRY(entry.created_at, reader.number<int64_t>());
    WEFT_TRY(entry.expires_at, reader.number<int64_t>());
    WEFT_TRY(const uint8_t state, reader.number<uint8_t>());
    if (state > uint8_t(State::kBurned) || entry.created_at < 0 || entry.created_at > kDateMax ||
        entry.expires_at < entry.created_at || entry.expires_at > kDateMax) {
      return Error(ErrorCode::kCorrupt, "an invite's state or date is out of range");
    }
    entry.state = State(state);
    book.entries_.push_back(entry);
  }
  return book;
}

Bytes InviteBook::encode() const {
  Bytes file(kMagicBytes);
  ByteWriter writer;
  for (const Entry& entry : entries_) {
    writer.append(entry.id.bytes).number(entry.created_at).number(entry.expires_at);
    writer.number(uint8_t(entry.state));
  }
  file.insert(file.end(), writer.bytes().begin(), writer.bytes().end());
  file.resize(file.size() + kSealBytes);
  seal(kBookMagic, file);
  return file;
}

void InviteBook::forget_old(int64_t now) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return now > entry.expires_at && now - entry.expires_at > kRememberSeconds;
  });
}

Result<> InviteBook::add(const Digest& id, int64_t now) {
  now = std::clamp<int64_t>(now, 0, kDateMax - kInviteSeconds);
  forget_old(now);
  if (entries_.size() >= kInvitesMax) {
    return Error(ErrorCode::kExhausted, cat(kInvitesMax,
                                            " codes were made within a day, no more are "
                                            "made; use an open one or wait"));
  }
  entries_.push_back({id, now, now + kInviteSeconds, State::kOpen});
  return {};
}

Result<> InviteBook::check(const Digest& id, int64_t now) const {
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& candidate) { return candidate.id == id; });
  constexpr const char* kAnother = "; make another with: weft invite";
  if (entry == entries_.end()) {
    return Error(ErrorCode::kNotFound, cat("this mesh made no such code", kAnother));
  }
  if (entry->state == State::kBurned) {
    return Error(ErrorCode::kDenied,
                 cat("this code was used already, each lets one device in", kAnother));
  }
  if (now > entry->expires_at) {
    return Error(ErrorCode::kTimeout,
                 cat("this code ended at ", format_date(entry->expires_at), ", ",
                     kInviteSeconds / 60, " minutes after it was made", kAnother));
  }
  if (now < entry->created_at - kStepSeconds) {
    return Error(ErrorCode::kTimeout,
                 cat("the clock was set back since this code was made", kAnother));
  }
  return {};
}

bool InviteBook::burn(const Digest& id) {
  for (Entry& entry : entries_) {
    if (entry.id != id || entry.state == State::kBurned) continue;
    entry.state = State::kBurned;
    return true;
  }
  return false;
}

}  // namespace weft::crypto

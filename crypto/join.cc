#include "crypto/join.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"

namespace weft::crypto {
namespace {

constexpr std::string_view kRequestMagic = "WFTJQ", kReplyMagic = "WFTJK", kRefusalMagic = "WFTJX",
                           kAckMagic = "WFTJA";
constexpr size_t kSignatureBytes = sizeof(Signature::bytes);

// The magic and version that every message begins with.
Result<> read_head(ByteReader& reader, std::string_view magic, const char* what) {
  WEFT_TRY(const ByteView found, reader.take(magic.size()));
  if (as_text(found) != magic) return Error(ErrorCode::kCorrupt, cat("this is no ", what));
  WEFT_TRY(const uint16_t version, reader.number<uint16_t>());
  if (version != kJoinVersion) {
    return Error(ErrorCode::kUnsupported,
                 cat("the other device joins by version ", version, ", this one by version ",
                     kJoinVersion, "; bring both to the same version of weft"));
  }
  return {};
}

Bytes make_ack(ByteView reply) {
  ByteWriter writer;
  writer.append(as_bytes(kAckMagic)).number(kJoinVersion).append(blake2b_256(reply).bytes);
  return writer.take();
}

// The inviter's error, as it is told to the joiner's user.
Error read_refusal(ByteReader& reader) {
  const Result<uint8_t> code = reader.number<uint8_t>();
  if (!code.ok() || *code > uint8_t(ErrorCode::kInternal) || reader.remaining() > kRefusalTextMax) {
    return Error(ErrorCode::kCorrupt, "the inviting device sent a refusal that makes no sense");
  }
  const std::string_view text = as_text(*reader.take(reader.remaining()));
  return Error(ErrorCode(*code),
               cat("the inviting device refused: ", printable(text, kRefusalTextMax)));
}

Bytes signed_part(ByteView message, const CurveKey& server) {
  ByteWriter writer;
  writer.append(server.bytes).append(message);
  return writer.take();
}

}  // namespace

Bytes encode_join_request(const JoinRequest& request, const SigningKey& identity,
                          const CurveKey& server) {
  ByteWriter writer;
  writer.append(as_bytes(kRequestMagic)).number(kJoinVersion).append(request.nonce.bytes);
  writer.number(request.clock).append(request.identity.bytes).append(request.curve.bytes);
  append_name(writer, request.name);
  const Signature signature = identity.sign(kJoinDomain, signed_part(writer.bytes(), server));
  Bytes bytes = writer.append(signature.bytes).take();
  WEFT_ASSERT(bytes.size() == kJoinRequestBytes);
  return bytes;
}

Result<JoinRequest> parse_join_request(ByteView bytes, const CurveKey& server) {
  ByteReader reader(bytes);
  WEFT_CHECK(read_head(reader, kRequestMagic, "join request"));
  if (bytes.size() != kJoinRequestBytes) {
    return Error(ErrorCode::kCorrupt, cat("a join request has ", bytes.size(),
                                          " bytes, it should have ", kJoinRequestBytes));
  }
  JoinRequest request;
  WEFT_TRY(request.nonce, read_id<JoinNonce>(reader));
  WEFT_TRY(request.clock, reader.number<int64_t>());
  WEFT_TRY(request.identity, read_id<VerifyKey>(reader));
  WEFT_TRY(request.curve, read_id<CurveKey>(reader));
  WEFT_TRY(request.name, read_name(reader).within("a join request"));
  WEFT_TRY(const Signature signature, read_id<Signature>(reader));
  const ByteView message = bytes.first(bytes.size() - kSignatureBytes);
  if (!verify_signature(request.identity, kJoinDomain, signed_part(message, server), signature)) {
    return Error(ErrorCode::kDenied,
                 "a join request's signature is wrong: it was changed, or made for "
                 "another code");
  }
  if (!is_usable(request.curve)) {
    return Error(ErrorCode::kInvalid, "a join request's link key is not a usable key");
  }
  return request;
}

std::string join_digits(ByteView request, const CurveKey& server) {
  constexpr std::string_view kDomain{"weft/join-digits/1\0", 19};
  const Digest digest =
      Hasher().update(as_bytes(kDomain)).update(server.bytes).update(request).finish();
  uint64_t number = 0;
  std::memcpy(&number, digest.bytes.data(), sizeof number);
  char text[8];
  std::snprintf(text, sizeof text, "%06u", unsigned(number % 1000000));
  return text;
}

InviterSession::InviterSession(TrustStore& store, InviteSecret secret)
    : store_(store), secret_(std::move(secret)), server_keys_(secret_.server_keys()) {}

Result<PendingJoin> InviterSession::on_request(ByteView bytes, int64_t now) {
  const auto pending = [&]() {
    return PendingJoin{request_->name, join_digits(request_bytes_, server_keys_.public_key()),
                       member_id_of(request_->identity)};
  };
  if (rejected_) {
    return Error(ErrorCode::kDenied, "this code was rejected; make another with: weft invite");
  }
  if (request_ &&
      std::equal(bytes.begin(), bytes.end(), request_bytes_.begin(), request_bytes_.end())) {
    return pending();
  }
  if (++requests_ > kJoinRequestsMax) {
    return Error(ErrorCode::kExhausted,
                 "too many requests with one code; make another with: weft "
                 "invite");
  }
  WEFT_TRY(JoinRequest request, parse_join_request(bytes, server_keys_.public_key()));
  if (request_) {
    return Error(
        ErrorCode::kConflict,
        cat("'", request_->name, "' sent this code before '", request.name,
            "' did; each code lets one device in. If you do not know one of them, reject"));
  }
  WEFT_CHECK(check_clocks(now, cat("'", request.name, "'"), request.clock));
  const Candidate candidate{request.identity, request.curve, request.name};
  WEFT_CHECK(store_.can_admit(secret_.id(), candidate, now));
  request_ = std::move(request);
  request_bytes_.assign(bytes.begin(), bytes.end());
  return pending();
}

Result<Bytes> InviterSession::confirm(int64_t now) {
  if (!reply_.empty()) return reply_;
  if (!request_ || rejected_) {
    return Error(ErrorCode::kInvalid,
                 "there is no device to let in; wait for one to send the code");
  }
  const Candidate candidate{request_->identity, request_->curve, request_->name};
  WEFT_TRY(Admission admission, store_.admit(secret_.id(), candidate, now));
  ByteWriter writer;
  writer.append(as_bytes(kReplyMagic)).number(kJoinVersion);
  writer.append(admission.authority.bytes).append(request_->nonce.bytes);
  writer.append(admission.certificate.bytes()).append(admission.roster.bytes());
  admission_ = std::move(admission);
  reply_ = writer.take();
  return reply_;
}

Result<Bytes> InviterSession::reject() {
  if (!reply_.empty()) {
    return Error(ErrorCode::kInvalid, cat("'", request_->name,
                                          "' is a member already; to undo it: weft "
                                          "revoke"));
  }
  rejected_ = true;
  WEFT_CHECK(store_.burn_invite(secret_.id()));
  return refusal(Error(ErrorCode::kDenied, "the owner said no"));
}

Result<> InviterSession::on_ack(ByteView bytes) const {
  const Bytes expected = reply_.empty() ? Bytes() : make_ack(reply_);
  if (!reply_.empty() && std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end())) {
    return {};
  }
  return Error(ErrorCode::kCorrupt, "the acknowledgement is not one of this join");
}

Bytes InviterSession::refusal(const Error& error) {
  ByteWriter writer;
  writer.append(as_bytes(kRefusalMagic)).number(kJoinVersion).number(uint8_t(error.code));
  writer.append(as_bytes(printable(error.message, kRefusalTextMax)));
  return writer.take();
}

Result<JoinerSession> JoinerSession::start(const Identity& identity, std::string name,
                                           InviteSecret secret, int64_t now) {
  WEFT_CHECK(check_member_name(name));
  const CurveKey server = secret.server_keys().public_key();
  JoinRequest request{random_id<JoinNonce>(), now, identity.signing().public_key(),
                      identity.curve().public_key(), std::move(name)};
  Bytes bytes = encode_join_request(request, identity.signing(), server);
  return JoinerSession(std::move(request), std::move(bytes), std::move(secret), server);
}

Result<Joined> JoinerSession::on_reply(ByteView bytes, int64_t now) const {
  ByteReader reader(bytes);
  const bool refused = bytes.size() >= kRefusalMagic.size() &&
                       as_text(bytes.first(kRefusalMagic.size())) == kRefusalMagic;
  WEFT_CHECK(read_head(reader, refused ? kRefusalMagic : kReplyMagic, "reply to a join request"));
  if (refused) return read_refusal(reader);
  const auto wrong = [](const std::string& why) {
    return Error(ErrorCode::kDenied,
                 cat("the inviting device's reply ", why, "; nothing was stored"));
  };
  WEFT_TRY(const VerifyKey authority, read_id<VerifyKey>(reader));
  WEFT_TRY(const JoinNonce nonce, read_id<JoinNonce>(reader));
  if (nonce != request_.nonce) return wrong("is to another request");
  WEFT_TRY(const ByteView raw, reader.take(kCertificateBytes));
  WEFT_TRY(Certificate own, Certificate::parse(raw, authority).within("the reply"));
  if (own.identity() != request_.identity || own.curve() != request_.curve ||
      own.name() != request_.name) {
    return wrong("has a certificate for another device");
  }
  WEFT_TRY(const ByteView rest, reader.take(reader.remaining()));
  WEFT_TRY(Roster roster, Roster::parse(rest, authority).within("the reply"));
  const Certificate* listed = roster.find(own.member_id());
  if (listed == nullptr || !(*listed == own)) return wrong("has a roster without this device");
  WEFT_CHECK(own.check_dates(now));
  return Joined{authority, std::move(own), std::move(roster), make_ack(bytes)};
}

}  // namespace weft::crypto

#include "crypto/certificate.h"

#include <algorithm>

#include "base/text.h"

namespace weft::crypto {
namespace {

constexpr std::string_view kMagic = "WFTC1";
constexpr size_t kSignedBytes = kCertificateBytes - sizeof(Signature::bytes);
static_assert(kSignedBytes == 5 + 32 + 16 + 8 + 4 + 32 + 32 + 8 + 8 + kNameFieldBytes);

// Characters that no screen shows but that change how the rest is read: zero-width and
// direction marks (U+200B to 200F, 2028 to 202E, 2060 to 206F, FEFF).
bool has_invisible(std::string_view name) {
  for (size_t i = 0; i + 2 < name.size(); ++i) {
    const uint8_t a = uint8_t(name[i]), b = uint8_t(name[i + 1]), c = uint8_t(name[i + 2]);
    if (a == 0xE2 && b == 0x80 && ((c >= 0x8B && c <= 0x8F) || (c >= 0xA8 && c <= 0xAE)))
      return true;
    if (a == 0xE2 && b == 0x81 && c >= 0xA0 && c <= 0xAF) return true;
    if (a == 0xEF && b == 0xBB && c == 0xBF) return true;
  }
  return false;
}

Result<> check_facts(const MemberFacts& facts) {
  WEFT_CHECK(check_member_name(facts.name));
  if (!is_usable(facts.curve)) {
    return Error(ErrorCode::kInvalid,
                 cat("the link key of '", facts.name, "' is not a usable key"));
  }
  if (facts.not_before < 0 || facts.not_after > kDateMax || facts.not_before >= facts.not_after) {
    return Error(ErrorCode::kInvalid, cat("the certificate's dates for '", facts.name,
                                          "' are out of order; is this device's clock right?"));
  }
  if (facts.serial == 0) return Error(ErrorCode::kInvalid, "a certificate's serial starts at 1");
  return {};
}

Result<MemberFacts> read_facts(ByteReader& reader) {
  MemberFacts facts;
  WEFT_TRY(facts.serial, reader.number<uint64_t>());
  WEFT_TRY(facts.roles, reader.number<uint32_t>());
  WEFT_TRY(facts.identity, read_id<VerifyKey>(reader));
  WEFT_TRY(facts.curve, read_id<CurveKey>(reader));
  WEFT_TRY(facts.not_before, reader.number<int64_t>());
  WEFT_TRY(facts.not_after, reader.number<int64_t>());
  WEFT_TRY(facts.name, read_name(reader));
  return facts;
}

}  // namespace

Result<> check_member_name(std::string_view name) {
  const char* why = nullptr;
  if (name.empty()) why = "is empty";
  if (name.size() > kNameBytesMax) why = "is longer than 63 bytes";
  if (!is_utf8(name)) why = "is not UTF-8";
  if (why == nullptr && printable(name, kNameBytesMax) != name) why = "has control characters";
  if (why == nullptr && trim(name) != name) why = "begins or ends with a space";
  if (why == nullptr && has_invisible(name)) why = "has invisible characters";
  if (why == nullptr) return {};
  return Error(ErrorCode::kInvalid, cat("the device name '", printable(name, kNameBytesMax), "' ",
                                        why, "; choose another with --name"));
}

void append_name(ByteWriter& writer, std::string_view name) {
  WEFT_ASSERT(name.size() <= kNameBytesMax);
  std::array<uint8_t, kNameFieldBytes> field{};
  field[0] = uint8_t(name.size());
  std::copy(name.begin(), name.end(), field.begin() + 1);
  writer.append(field);
}

Result<std::string> read_name(ByteReader& reader) {
  WEFT_TRY(const ByteView field, reader.take(kNameFieldBytes));
  const size_t size = field[0];
  if (size > kNameBytesMax) {
    return Error(ErrorCode::kCorrupt, cat("a name of ", size, " bytes; 63 is the most"));
  }
  const ByteView rest = field.subspan(1 + size);
  if (std::any_of(rest.begin(), rest.end(), [](uint8_t byte) { return byte != 0; })) {
    return Error(ErrorCode::kCorrupt, "bytes after the end of a name");
  }
  const std::string name(as_text(field.subspan(1, size)));
  WEFT_CHECK(check_member_name(name));
  return name;
}

Result<Certificate> Certificate::issue(MemberFacts facts, const SigningKey& authority) {
  WEFT_CHECK(check_facts(facts));
  const NodeId member_id = member_id_of(facts.identity);
  ByteWriter writer;
  writer.append(as_bytes(kMagic)).append(cluster_id_of(authority.public_key()).bytes);
  writer.append(member_id.bytes).number(facts.serial).number(facts.roles);
  writer.append(facts.identity.bytes).append(facts.curve.bytes);
  writer.number(facts.not_before).number(facts.not_after);
  append_name(writer, facts.name);
  const Signature signature = authority.sign(kCertificateDomain, writer.bytes());
  writer.append(signature.bytes);
  Certificate certificate(std::move(facts), member_id);
  WEFT_ASSERT(writer.bytes().size() == kCertificateBytes);
  std::copy(writer.bytes().begin(), writer.bytes().end(), certificate.bytes_.begin());
  return certificate;
}

Result<Certificate> Certificate::parse(ByteView bytes, const VerifyKey& authority) {
  const auto corrupt = [](const std::string& why) {
    return Error(ErrorCode::kCorrupt, cat("a certificate ", why));
  };
  if (bytes.size() != kCertificateBytes) {
    return corrupt(cat("has ", bytes.size(), " bytes, it should have ", kCertificateBytes));
  }
  ByteReader reader(bytes);
  WEFT_TRY(const ByteView magic, reader.take(kMagic.size()));
  if (as_text(magic) != kMagic) return corrupt("does not begin with WFTC1");
  WEFT_TRY(const ClusterId cluster, read_id<ClusterId>(reader));
  if (cluster != cluster_id_of(authority)) {
    return Error(ErrorCode::kDenied,
                 cat("a certificate of another mesh (", short_string(cluster), "), this one is ",
                     short_string(cluster_id_of(authority))));
  }
  Signature signature;
  std::copy_n(bytes.end() - signature.bytes.size(), signature.bytes.size(),
              signature.bytes.begin());
  if (!verify_signature(authority, kCertificateDomain, bytes.first(kSignedBytes), signature)) {
    return Error(ErrorCode::kDenied,
                 "a certificate's signature is wrong: it was changed, or not "
                 "issued by this mesh's authority");
  }
  WEFT_TRY(const NodeId member_id, read_id<NodeId>(reader));
  WEFT_TRY(MemberFacts facts, read_facts(reader).within("a certificate"));
  if (auto checked = check_facts(facts); !checked.ok()) return corrupt(checked.error().message);
  if (member_id != member_id_of(facts.identity)) return corrupt("has an id that is not its key's");
  Certificate certificate(std::move(facts), member_id);
  std::copy(bytes.begin(), bytes.end(), certificate.bytes_.begin());
  return certificate;
}

Result<> Certificate::check_dates(int64_t now) const {
  return crypto::check_dates(cat("the certificate of '", name(), "'"), not_before(), not_after(),
                             now);
}

}  // namespace weft::crypto

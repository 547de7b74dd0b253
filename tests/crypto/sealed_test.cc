#include "crypto/sealed.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::fails_with;
using test::unwrap;

Bytes sealed_file(std::string_view magic, ByteView payload) {
  Bytes file(kMagicBytes + payload.size() + kSealBytes);
  std::copy(payload.begin(), payload.end(), file.begin() + kMagicBytes);
  seal(magic, file);
  return file;
}

TEST(Sealed, AFileReadsBackAsItWasSealed) {
  const Bytes payload{1, 2, 3};
  const Bytes file = sealed_file("WFTX1", payload);
  const ByteView read = unwrap(unseal("WFTX1", file));
  EXPECT_EQ(Bytes(read.begin(), read.end()), payload);
  EXPECT_TRUE(unwrap(unseal("WFTX1", sealed_file("WFTX1", {}))).empty());
}

TEST(Sealed, AChangedCutOrForeignFileIsRefused) {
  const Bytes file = sealed_file("WFTX1", Bytes{1, 2, 3});
  for (size_t at = 0; at < file.size(); ++at) {
    Bytes changed = file;
    changed[at] ^= 1;
    EXPECT_EQ(unseal("WFTX1", changed).error().code, ErrorCode::kCorrupt) << at;
    EXPECT_EQ(unseal("WFTX1", ByteView(file).first(at)).error().code, ErrorCode::kCorrupt) << at;
  }
  EXPECT_TRUE(fails_with(unseal("WFTY1", file), ErrorCode::kCorrupt, "not a WFTY1 file"));
}

}  // namespace
}  // namespace weft::crypto

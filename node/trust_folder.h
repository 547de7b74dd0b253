// Where a data folder keeps trust: one place that knows it.
#pragma once

#include <string>

#include "base/file.h"
#include "crypto/trust_store.h"

namespace weft::node {

inline std::string trust_folder(const std::string& dir) { return dir + "/trust"; }

// Opens `dir`/trust, making both (0700) if they are not there.
inline Result<crypto::TrustStore> open_trust(const std::string& dir) {
  WEFT_CHECK(make_folder(dir, 0700));
  return crypto::TrustStore::open(trust_folder(dir));
}

}  // namespace weft::node

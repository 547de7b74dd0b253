#include "crypto/random.h"

#include <sodium.h>

namespace weft::crypto {

void random_bytes(std::span<uint8_t> out) {
  WEFT_ASSERT(sodium_init() >= 0);
  randombytes_buf(out.data(), out.size());
}

uint64_t random_u64() {
  uint64_t value = 0;
  random_bytes({reinterpret_cast<uint8_t*>(&value), sizeof value});
  return value;
}

}  // namespace weft::crypto

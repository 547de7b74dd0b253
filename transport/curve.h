// CURVE keys as libzmq takes them: 32 raw bytes. The secret half stays where its owner keeps it and is
// only viewed here, for the time of a call.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace weft::transport {

using CurveKey = std::array<uint8_t, 32>;

struct CurveKeyPair {
  CurveKey public_key;
  std::span<const uint8_t, 32> secret_key;
};

}  // namespace weft::transport

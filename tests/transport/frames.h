// Frames as bytes that a test can change.
#pragma once

#include "transport/codec.h"

namespace weft::transport {

// The frame of a message that can be encoded.
inline Bytes frame_bytes(const Message& message, NodeId sender, uint64_t sequence) {
  const SharedBytes frame = *encode(message, sender, sequence);
  return {frame.view().begin(), frame.view().end()};
}

}  // namespace weft::transport

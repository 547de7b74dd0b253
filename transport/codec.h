// Messages to frames and back: FlatBuffers, verified before a field is read.
//
// A frame is one zmq message of at most kFrameBytesMax bytes. Decoding checks, in this order: the
// length, the file identifier, the buffer (FlatBuffers' verifier, depth at most 8, tables at most
// 64), the protocol version, then every count and size against the limits of message.h, and that
// numbers are finite where they are used in arithmetic.
// Source: FlatBuffers 2.0.8, whose verifier wants an aligned buffer and a checked length.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "transport/message.h"

namespace weft::transport {

struct Frame {
  NodeId sender;          // as the frame says; compare with the link's key
  uint64_t sequence = 0;  // rises by one per link and direction
  Message message;
};

// kInvalid if the message breaks a limit of message.h (a defect of ours, or a model beyond them).
// Activations and chunks are copied once, into the frame.
Result<SharedBytes> encode(const Message& message, NodeId sender, uint64_t sequence);

// In place: activations and chunks are views of the frame and keep it alive. Only a frame that lies
// askew in memory is copied. kCorrupt for anything malformed, kUnsupported for another protocol
// version.
Result<Frame> decode(SharedBytes frame);

}  // namespace weft::transport

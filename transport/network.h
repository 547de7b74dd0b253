// Network: the door for messages between members.
// Implemented by transport/links (CURVE over libzmq) and by the simulator.
#pragma once

#include <functional>

#include "base/result.h"
#include "transport/message.h"

namespace weft::transport {

class Network {
 public:
  virtual ~Network() = default;

  // Queues a message for a member. kUnavailable if there is no link, kExhausted if the link's queue
  // is full; never waits. Delivered at most once, in order per pair while the link stands.
  virtual Result<> send(NodeId to, const Message& message) = 0;
};

}  // namespace weft::transport

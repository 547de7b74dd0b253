// The HTTP server's sockets: the one that listens, and where a connection of it ends.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "node/http_guard.h"

namespace weft::node {

// Listens there. `text`: the address as the user gave it, for messages; kConflict if it is in use.
Result<FileDescriptor> listen_at(const ListenAddress& address, const std::string& text);

// The socket's own end, as it is bound: its port (0: none), and its address as it stands in a Host
// header (empty: none).
uint16_t port_of(int socket);
std::string local_host(int socket);

}  // namespace weft::node

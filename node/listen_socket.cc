#include "node/listen_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/text.h"

namespace weft::node {
namespace {

constexpr int kListenBacklog = 128;

}  // namespace

Result<FileDescriptor> listen_at(const ListenAddress& address, const std::string& text) {
  FileDescriptor fd(::socket(address.v6 ? AF_INET6 : AF_INET,
                             SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return system_error("open a socket for", text, errno);
  const int on = 1;
  // A restarted node must not wait for its old connections to be forgotten.
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto* raw = reinterpret_cast<const sockaddr*>(&address.socket_address);
  if (::bind(fd.get(), raw, address.socket_address_size) != 0 ||
      ::listen(fd.get(), kListenBacklog) != 0) {
    if (errno == EADDRINUSE) {
      return Error(ErrorCode::kConflict,
                   cat("the HTTP address ", text,
                       " is in use; stop what uses it, or choose another with --http ADDR:PORT"));
    }
    return system_error("listen at", text, errno);
  }
  return fd;
}

uint16_t port_of(int socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  if (bound.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6&>(bound).sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in&>(bound).sin_port);
}

std::string local_host(int socket) {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) != 0) return "";
  return host_text(local);
}

}  // namespace weft::node

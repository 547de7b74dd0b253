#include "node/http_connections.h"

#include <poll.h>
#include <sys/socket.h>

namespace weft::node {
namespace {

constexpr Duration kLookEvery = milliseconds(100);

}  // namespace

ConnectionWatch::ConnectionWatch() : thread_([this] { run(); }) {}

ConnectionWatch::~ConnectionWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void ConnectionWatch::add(WatchedConnection* connection) {
  std::lock_guard lock(mutex_);
  connections_.insert(connection);
}

void ConnectionWatch::remove(WatchedConnection* connection) {
  std::lock_guard lock(mutex_);
  connections_.erase(connection);
}

size_t ConnectionWatch::size() const {
  std::lock_guard lock(mutex_);
  return connections_.size();
}

void ConnectionWatch::expect(WatchedConnection* connection, Duration within,
                             std::string_view last_words) {
  const Time deadline = clock_.now() + within;
  std::lock_guard lock(mutex_);
  connection->deadline = deadline;
  if (connection->last_words != last_words) connection->last_words = last_words;
}

void ConnectionWatch::relax(WatchedConnection* connection) {
  std::lock_guard lock(mutex_);
  connection->deadline = {};
}

void ConnectionWatch::say_and_close(int socket, std::string_view text) {
  // A short text fits the socket's buffer; if the client lets it be full, it gets no last words.
  if (!text.empty()) (void)::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(socket, SHUT_WR);
}

bool ConnectionWatch::is_gone(int socket) {
  pollfd state{socket, POLLRDHUP, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void ConnectionWatch::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    // A wall-clock wait: older sanitizer runtimes do not know the monotonic one.
    wake_.wait_until(lock, std::chrono::system_clock::now() + kLookEvery);
    const Time now = clock_.now();
    for (WatchedConnection* connection : connections_) {
      if (connection->deadline == Time{} || now < connection->deadline) continue;
      connection->deadline = {};
      say_and_close(connection->socket, connection->last_words);
      ::shutdown(connection->socket, SHUT_RD);  // wakes the connection's thread, which closes it
    }
  }
}

}  // namespace weft::node

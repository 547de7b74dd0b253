// The open connections and when each must have sent what it still owes: libmicrohttpd's own timeout
// starts anew with every byte, so a client that drips one byte at a time would hold a thread for
// ever.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"

namespace weft::node {

// One connection. Its fields are the ConnectionWatch's, under its lock, but for what is const.
struct WatchedConnection {
  WatchedConnection(int fd, std::string host) : socket(fd), local_host(std::move(host)) {}
  const int socket;              // owned by libmicrohttpd
  const std::string local_host;  // as HttpGuard::check_host wants it
  Time deadline{};               // zero: none
  std::string last_words;        // sent when the deadline passes; empty: nothing
};

// Any thread.
class ConnectionWatch {
 public:
  ConnectionWatch();
  ~ConnectionWatch();

  // The connection must be removed before its socket is closed.
  void add(WatchedConnection* connection);
  void remove(WatchedConnection* connection);
  size_t size() const;

  // What comes must have come `within` from now, else last_words is sent and the socket shut down.
  void expect(WatchedConnection* connection, Duration within, std::string_view last_words = {});
  // No deadline any more.
  void relax(WatchedConnection* connection);

  // Sends what fits without waiting, then shuts the sending side down.
  static void say_and_close(int socket, std::string_view text);
  // The client has closed the connection, or at least its sending side.
  static bool is_gone(int socket);

 private:
  void run();

  const SystemClock clock_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::set<WatchedConnection*> connections_;
  bool stopping_ = false;
  std::thread thread_;  // last
};

}  // namespace weft::node

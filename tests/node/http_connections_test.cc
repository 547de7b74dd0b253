#include "node/http_connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"

namespace weft::node {
namespace {

struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    server = FileDescriptor(fds[0]);
    client = FileDescriptor(fds[1]);
  }
  std::string read_to_end() {
    std::string all;
    char buffer[64];
    for (ssize_t got; (got = ::read(client.get(), buffer, sizeof buffer)) > 0;) {
      all.append(buffer, size_t(got));
    }
    return all;
  }
  FileDescriptor server, client;
};

TEST(ConnectionWatch, SaysItsLastWordsAndClosesAtTheDeadline) {
  Pair pair;
  ConnectionWatch watch;
  WatchedConnection connection(pair.server.get(), "");
  watch.add(&connection);
  EXPECT_EQ(watch.size(), 1u);
  watch.expect(&connection, milliseconds(1), "too late");
  EXPECT_EQ(pair.read_to_end(), "too late");  // waits for the end
  watch.remove(&connection);
  EXPECT_EQ(watch.size(), 0u);
}

TEST(ConnectionWatch, LeavesARelaxedConnectionAlone) {
  Pair relaxed, late;
  ConnectionWatch watch;
  WatchedConnection one(relaxed.server.get(), ""), two(late.server.get(), "");
  watch.add(&one);
  watch.add(&two);
  watch.expect(&one, milliseconds(200), "too late");
  watch.relax(&one);
  watch.expect(&two, milliseconds(300), "too late");
  EXPECT_EQ(late.read_to_end(), "too late");  // by now the first one's time has passed too
  EXPECT_FALSE(ConnectionWatch::is_gone(relaxed.client.get()));
  watch.remove(&one);
  watch.remove(&two);
}

TEST(ConnectionWatch, SeesAClientThatHasGone) {
  Pair pair;
  EXPECT_FALSE(ConnectionWatch::is_gone(pair.server.get()));
  ASSERT_EQ(::write(pair.client.get(), "unread", 6), 6);
  EXPECT_FALSE(ConnectionWatch::is_gone(pair.server.get()));
  pair.client.close();
  EXPECT_TRUE(ConnectionWatch::is_gone(pair.server.get()));
}

}  // namespace
}  // namespace weft::node

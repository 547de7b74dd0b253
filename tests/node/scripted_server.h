// A web server of one connection per reply on loopback, for tests of clients: it answers what the
// test says and keeps what it was asked.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "base/file.h"
#include "base/text.h"

namespace weft::node {

class ScriptedServer {
 public:
  // Each reply answers one connection, in order: its pieces are written one after the other, then
  // the connection is closed. A reply without pieces leaves the client waiting until it goes away.
  explicit ScriptedServer(std::vector<std::vector<std::string>> replies)
      : replies_(std::move(replies)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    WEFT_ASSERT(::bind(listener_.get(), any, size) == 0);
    WEFT_ASSERT(::listen(listener_.get(), 8) == 0);
    WEFT_ASSERT(::getsockname(listener_.get(), any, &size) == 0);
    address_ = cat("127.0.0.1:", ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);  // wakes an accept
    thread_.join();
  }

  const std::string& address() const { return address_; }
  // Whole requests, heads and bodies, in order.
  std::vector<std::string> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }

  static std::string json(int status, const std::string& body) {
    return cat("HTTP/1.1 ", status,
               " X\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
               "\r\nConnection: close\r\n\r\n", body);
  }
  static std::string stream_head() {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
  }

 private:
  void serve() {
    for (const auto& pieces : replies_) {
      const FileDescriptor client(::accept(listener_.get(), nullptr, nullptr));
      if (!client.valid()) return;
      std::string request = read_request(client.get());
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
      }
      for (const std::string& piece : pieces) {
        if (::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
      }
      char rest[64];
      if (pieces.empty()) {
        while (::read(client.get(), rest, sizeof rest) > 0) continue;
      }
    }
  }

  static std::string read_request(int fd) {
    std::string request;
    char bytes[4096];
    size_t wanted = std::string::npos;
    while (request.size() < wanted) {
      const ssize_t got = ::read(fd, bytes, sizeof bytes);
      if (got <= 0) break;
      request.append(bytes, size_t(got));
      const size_t head = request.find("\r\n\r\n");
      if (head == std::string::npos) continue;
      const size_t length = request.find("Content-Length: ");
      wanted = head + 4;
      if (length < head) wanted += std::strtoul(request.c_str() + length + 16, nullptr, 10);
    }
    return request;
  }

  const std::vector<std::vector<std::string>> replies_;
  FileDescriptor listener_;
  std::string address_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace weft::node

// A small HTTP/1.1 client for tests, on a plain socket, so that it can also misbehave. Times out
// after ten seconds of silence.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/text.h"

namespace weft::test {

struct HttpReply {
  int status = 0;                              // 0: the connection ended without a reply
  std::map<std::string, std::string> headers;  // names lowercase
  std::string body;                            // chunks joined
  bool whole = false;                          // the body ended as it should
};

class HttpClient {
 public:
  // receive_buffer: bytes; 0 leaves the system's choice.
  explicit HttpClient(uint16_t port, int receive_buffer = 0) {
    socket_ = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer > 0) {
      ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    const timeval limit{10, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  bool connected() const { return connected_; }

  // False once the server has closed its side.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(size_t(sent));
    }
    return true;
  }
  // What comes next; empty at the end.
  std::string receive() {
    char buffer[4096];
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    return got > 0 ? std::string(buffer, size_t(got)) : "";
  }
  // All up to the end, or until `text` has come.
  std::string receive_until(std::string_view text) {
    std::string all;
    while (text.empty() || all.find(text) == std::string::npos) {
      const std::string part = receive();
      if (part.empty()) break;
      all += part;
    }
    return all;
  }
  // The reply to one request with "Connection: close".
  HttpReply reply() { return parse(receive_until("")); }
  void close() { socket_.close(); }

  static HttpReply parse(std::string_view raw) {
    HttpReply reply;
    const size_t head_end = raw.find("\r\n\r\n");
    if (!raw.starts_with("HTTP/1.1 ") || head_end == std::string_view::npos) return reply;
    reply.status = std::atoi(std::string(raw.substr(9, 3)).c_str());
    for (const std::string& line : split(raw.substr(0, head_end), '\n')) {
      const size_t colon = line.find(':');
      if (colon == std::string::npos) continue;
      std::string name = line.substr(0, colon);
      for (char& c : name) c = char(std::tolower(static_cast<unsigned char>(c)));
      reply.headers[name] = std::string(trim(std::string_view(line).substr(colon + 1)));
    }
    std::string_view body = raw.substr(head_end + 4);
    if (reply.headers["transfer-encoding"] != "chunked") {
      reply.body = body;
      reply.whole = reply.headers["content-length"] == std::to_string(body.size());
      return reply;
    }
    for (;;) {
      const size_t line_end = body.find("\r\n");
      if (line_end == std::string_view::npos) return reply;
      const size_t size = std::strtoul(std::string(body.substr(0, line_end)).c_str(), nullptr, 16);
      if (size == 0) {
        reply.whole = true;
        return reply;
      }
      reply.body += body.substr(line_end + 2, size);
      if (line_end + 2 + size + 2 > body.size()) return reply;
      body.remove_prefix(line_end + 2 + size + 2);
    }
  }

 private:
  FileDescriptor socket_;
  bool connected_ = false;
};

// extra: header lines, each with its line end. A Host header is sent unless extra has one.
inline std::string http_request(std::string_view method, std::string_view path,
                                std::string_view body = {}, std::string_view extra = {}) {
  std::string text = cat(method, " ", path, " HTTP/1.1\r\nConnection: close\r\n", extra);
  if (extra.find("Host:") == std::string_view::npos) text += "Host: localhost\r\n";
  if (!body.empty()) text += cat("Content-Length: ", body.size(), "\r\n");
  return cat(text, "\r\n", body);
}
inline HttpReply http_fetch(uint16_t port, std::string_view method, std::string_view path,
                            std::string_view body = {}, std::string_view extra = {}) {
  HttpClient client(port);
  client.send(http_request(method, path, body, extra));
  return client.reply();
}

}  // namespace weft::test

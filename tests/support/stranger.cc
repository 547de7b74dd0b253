// stranger ADDR:PORT SERVER_KEY_HEX: what somebody without a certificate can send to a node that
// listens there: frames that are valid but for the handshake, with NULL, PLAIN and CURVE (which
// takes the node's public key, no secret), and the same frame's bytes straight over TCP. Exits 0
// when all is sent and a second has passed; the end-to-end test then asks the node what it noticed.
#include <netinet/in.h>
#include <sys/socket.h>
#include <zmq.h>

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "transport/codec.h"
#include "transport/zmq_socket.h"

namespace weft::transport {
namespace {

constexpr const char* kUsage = "usage: stranger ADDR:PORT SERVER_KEY_HEX\n";
// Stands in a frame's activations, so that a capture proves that it would show plain frames.
constexpr std::string_view kMark = "weft-e2e-plain-frame-in-the-open";
constexpr auto kPatience = std::chrono::milliseconds(1500);

Bytes valid_frame() {
  std::vector<float> row(kMark.size() / sizeof(float));
  std::memcpy(row.data(), kMark.data(), row.size() * sizeof(float));
  Step step;
  step.token_count = 1;
  step.hidden = SharedBytes::adopt(std::move(row));
  NodeId sender;
  sender.bytes.fill(7);
  const SharedBytes frame = *encode(step, sender, 1);
  return {frame.view().begin(), frame.view().end()};
}

Result<FileDescriptor> dial(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return Error(ErrorCode::kInvalid, kUsage);
  WEFT_TRY(const uint64_t port, parse_u64(address.substr(colon + 1)));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(uint16_t(port));
  if (::inet_pton(AF_INET, std::string(address.substr(0, colon)).c_str(), &to.sin_addr) != 1) {
    return Error(ErrorCode::kInvalid, kUsage);
  }
  FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    return system_error("connect to", std::string(address), errno);
  }
  return fd;
}

Result<> send_raw(std::string_view address, ByteView bytes) {
  WEFT_TRY(const FileDescriptor fd, dial(address));
  if (::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
    return system_error("send to", std::string(address), errno);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  return {};
}

Result<> try_everything(const std::string& address, std::string_view key_hex) {
  crypto::CurveKey server;
  WEFT_CHECK(parse_hex(key_hex, server.bytes.data(), server.bytes.size()));
  const Bytes frame = valid_frame();
  const ZmqContext context;
  const crypto::CurveKeys own = crypto::CurveKeys::generate();
  ZmqSocket null_client(context, ZMQ_DEALER), plain_client(context, ZMQ_DEALER),
      curve_client(context, ZMQ_DEALER);
  plain_client.set(ZMQ_PLAIN_USERNAME, "admin");
  plain_client.set(ZMQ_PLAIN_PASSWORD, "admin");
  curve_client.dial_curve(own, server);
  for (ZmqSocket* client : {&null_client, &plain_client, &curve_client}) {
    WEFT_CHECK(client->connect("tcp://" + address));
    (void)client->send(frame);
  }
  WEFT_CHECK(send_raw(address, frame));
  // A ZMTP 3.0 greeting with NULL, then the frame as if the handshake were done.
  Bytes zmtp(66 + frame.size(), 0);
  zmtp[0] = 0xff;
  zmtp[9] = 0x7f;
  zmtp[10] = 3;
  std::memcpy(&zmtp[12], "NULL", 4);
  zmtp[65] = uint8_t(frame.size() > 255 ? 255 : frame.size());
  std::ranges::copy(frame, zmtp.begin() + 66);
  WEFT_CHECK(send_raw(address, zmtp));
  std::this_thread::sleep_for(kPatience);  // the handshakes go on in libzmq's own thread
  return {};
}

}  // namespace
}  // namespace weft::transport

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs(weft::transport::kUsage, stderr);
    return 2;
  }
  if (const auto done = weft::transport::try_everything(argv[1], argv[2]); !done.ok()) {
    std::fprintf(stderr, "stranger: %s\n", done.error().message.c_str());
    return 1;
  }
  return 0;
}

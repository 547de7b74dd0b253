// What one message costs with libzmq alone, set up as transport/ does: CURVE, a DEALER that sends
// to a ROUTER over TCP on loopback, one I/O thread a context, a receiver that sleeps in zmq_poll.
// The yardstick for a hop of the mesh, which tests/bench/mesh_bench.py measures in the same run.
//   hop_bench [ROUNDS [BUSY_MS]]
// Two contexts play ping-pong. BUSY_MS: before each send the sender reads memory on all cores for
// so long, as a stage that computes does. Prints one JSON object: medians and 90th percentiles, in
// microseconds.
#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace {

constexpr size_t kSizes[] = {16, 8 * 1024, 32 * 1024, 64 * 1024};
constexpr int kWarmUp = 20;
constexpr size_t kBusyBytes = 64 << 20;

struct Keys {
  char open[41], secret[41];
  Keys() {
    if (zmq_curve_keypair(open, secret) != 0) {
      std::fprintf(stderr, "hop_bench: this libzmq has no CURVE\n");
      std::exit(1);
    }
  }
};

void require(int rc, const char* what) {
  if (rc >= 0) return;
  std::fprintf(stderr, "hop_bench: %s: %s\n", what, zmq_strerror(errno));
  std::exit(1);
}

// One of the two players: its own context, a ROUTER it listens on, a DEALER to the other's.
class Player {
 public:
  Player() : context_(zmq_ctx_new()), router_(zmq_socket(context_, ZMQ_ROUTER)) {
    const int on = 1;
    zmq_setsockopt(router_, ZMQ_CURVE_SERVER, &on, sizeof on);
    zmq_setsockopt(router_, ZMQ_CURVE_SECRETKEY, keys_.secret, sizeof keys_.secret);
    require(zmq_bind(router_, "tcp://127.0.0.1:*"), "bind");
  }
  ~Player() {
    const int no_linger = 0;
    for (void* socket : {router_, dealer_}) {
      zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof no_linger);
      zmq_close(socket);
    }
    zmq_ctx_term(context_);
  }
  void dial(const Player& other) {
    char endpoint[128];
    size_t size = sizeof endpoint;
    require(zmq_getsockopt(other.router_, ZMQ_LAST_ENDPOINT, endpoint, &size), "endpoint");
    dealer_ = zmq_socket(context_, ZMQ_DEALER);
    zmq_setsockopt(dealer_, ZMQ_CURVE_SERVERKEY, other.keys_.open, sizeof other.keys_.open);
    zmq_setsockopt(dealer_, ZMQ_CURVE_PUBLICKEY, keys_.open, sizeof keys_.open);
    zmq_setsockopt(dealer_, ZMQ_CURVE_SECRETKEY, keys_.secret, sizeof keys_.secret);
    require(zmq_connect(dealer_, endpoint), "connect");
  }
  // The time just before the send is in the message's first bytes.
  void send(std::vector<uint8_t>& message) {
    const int64_t now = clock_.now().ns;
    std::memcpy(message.data(), &now, sizeof now);
    require(zmq_send(dealer_, message.data(), message.size(), 0), "send");
  }
  // Nanoseconds from the other's send to the message being here; the buffer takes the payload.
  int64_t receive(std::vector<uint8_t>& message) {
    zmq_pollitem_t item{router_, 0, ZMQ_POLLIN, 0};
    require(zmq_poll(&item, 1, 5000), "poll");
    char id[256];
    require(zmq_recv(router_, id, sizeof id, 0), "receive");
    require(zmq_recv(router_, message.data(), message.size(), 0), "receive");
    int64_t sent;
    std::memcpy(&sent, message.data(), sizeof sent);
    return clock_.now().ns - sent;
  }

 private:
  Keys keys_;
  void* context_;
  void* router_;
  void* dealer_ = nullptr;
  weft::SystemClock clock_;
};

// Reads memory on every core for `ms`.
void be_busy(const std::vector<uint64_t>& memory, int ms) {
  const weft::SystemClock clock;
  const weft::Time end = clock.now() + weft::milliseconds(ms);
  static std::atomic<uint64_t> sink;
  const auto work = [&] {
    uint64_t sum = 0;
    for (size_t i = 0; clock.now() < end; i = (i + 4096) % memory.size()) {
      for (size_t j = i; j < std::min(i + 4096, memory.size()); ++j) sum += memory[j];
    }
    sink += sum;
  };
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
}

std::string measure(size_t bytes, int rounds, int busy_ms) {
  Player first, second;
  first.dial(second);
  second.dial(first);
  const std::vector<uint64_t> memory(busy_ms > 0 ? kBusyBytes / 8 : 0, 1);
  std::vector<int64_t> times;
  const auto play = [&](Player& player, bool begins) {
    std::vector<uint8_t> message(bytes);
    for (int round = 0; round < rounds + kWarmUp; ++round) {
      if (begins) {
        if (busy_ms > 0) be_busy(memory, busy_ms);
        player.send(message);
      }
      const int64_t one_way = player.receive(message);
      if (begins && round >= kWarmUp) times.push_back(one_way);
      if (!begins) {
        if (busy_ms > 0) be_busy(memory, busy_ms);
        player.send(message);
      }
    }
  };
  std::thread other([&] { play(second, false); });
  play(first, true);
  other.join();
  std::sort(times.begin(), times.end());
  char text[128];
  std::snprintf(text, sizeof text, "\"%zu\": {\"median_us\": %.1f, \"p90_us\": %.1f}", bytes,
                double(times[times.size() / 2]) / 1000,
                double(times[times.size() * 9 / 10]) / 1000);
  return text;
}

}  // namespace

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 500;
  const int busy_ms = count > 2 ? std::atoi(arguments[2]) : 0;
  if (rounds < 1 || busy_ms < 0) {
    std::fprintf(stderr, "usage: hop_bench [ROUNDS [BUSY_MS]]\n");
    return 2;
  }
  std::string json = "{";
  for (const size_t bytes : kSizes) {
    json += (json.size() > 1 ? ", " : "") + measure(bytes, rounds, busy_ms);
  }
  std::printf("%s}\n", json.c_str());
  return 0;
}

// Avahi as a real peer: its daemon runs in a network and mount namespace of its own, joined by a
// veth pair to the one where weft runs. Both must see what the other publishes, and its end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

#include "base/file.h"
#include "tests/discovery/live.h"
#include "tests/discovery/namespace.h"
#include "tests/support/support.h"

namespace weft::discovery::test {
namespace {

using Kind = DiscoveryEvent::Kind;

constexpr const char* kBusConfig = R"(<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=FOLDER/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy></busconfig>
)";
constexpr const char* kAvahiConfig = R"([server]
host-name=peer
use-ipv4=yes
use-ipv6=yes
allow-interfaces=av1
[wide-area]
enable-wide-area=no
[publish]
publish-workstation=no
)";

// A child process that ends with the test, whatever happens.
class Process {
 public:
  explicit Process(pid_t pid) : pid_(pid) {}
  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  ~Process() { stop(SIGKILL); }

  pid_t pid() const { return pid_; }
  // True once it has exited; its status is then in `status`.
  bool exited(int& status) {
    if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
    pid_ = -1;
    return true;
  }
  void stop(int signal) {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

// The namespaces of the Avahi side, and programs run in them. All of its methods are called by one
// thread, the one whose end ends the children.
class AvahiSide {
 public:
  explicit AvahiSide(const std::string& folder) : folder_(folder), holder_(hold_namespaces()) {
    std::string bus = kBusConfig;
    bus.replace(bus.find("FOLDER"), 6, folder_);
    EXPECT_TRUE(write_file_atomic(folder_ + "/bus.conf", as_bytes(bus)).ok());
    EXPECT_TRUE(write_file_atomic(folder_ + "/avahi.conf", as_bytes(kAvahiConfig)).ok());
  }

  pid_t pid() const { return holder_.pid(); }
  std::string output() const {
    std::ifstream file(folder_ + "/output");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  // Starts a program there; its standard output goes to output(), which is emptied first.
  Process start(const std::vector<std::string>& words, bool keep_output = false) {
    std::vector<char*> arguments;
    for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const std::string base = "/proc/" + std::to_string(pid()) + "/ns/";
    const std::string bus = "unix:path=" + folder_ + "/bus";
    const std::string log = folder_ + (keep_output ? "/output" : "/log");
    const pid_t child = fork();
    if (child != 0) return Process(child);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const char* kind : {"net", "mnt"}) {
      const int fd = open((base + kind).c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0 || setns(fd, 0) != 0) _exit(126);
    }
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nothing, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.c_str(), 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }

  // Runs a program to its end; true if it exited with 0. `meanwhile` keeps running.
  bool finish(const std::vector<std::string>& words, std::vector<Mdns*> meanwhile) {
    Process process = start(words, true);
    int status = -1;
    return run_until(std::move(meanwhile), [&] { return process.exited(status); }) && status == 0;
  }

 private:
  static Process hold_namespaces() {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const bool made = unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
                        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                        mount("tmpfs", "/run", "tmpfs", 0, nullptr) == 0 &&
                        mkdir("/run/avahi-daemon", 0755) == 0;
      const char answer = made ? 'y' : 'n';
      if (write(ready[1], &answer, 1) != 1) _exit(1);
      while (made) pause();
      _exit(1);
    }
    char answer = 'n';
    EXPECT_EQ(read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y') << "could not make the namespaces";
    close(ready[0]);
    close(ready[1]);
    return Process(child);
  }

  std::string folder_;
  Process holder_;
};

class Avahi : public testing::Test {
 protected:
  void SetUp() override {
    WEFT_SKIP_IF_EMULATED("socket options of multicast");
    for (const char* tool : {"avahi-daemon", "avahi-browse", "avahi-publish", "dbus-daemon"}) {
      if (!command(std::string("PATH=$PATH:/usr/sbin command -v ") + tool)) {
        GTEST_SKIP() << "skipped: " << tool << " is not installed";
      }
    }
    if (!can_make_networks()) GTEST_SKIP() << "skipped: needs root and the `ip` command";
  }

  // Both namespaces, the link between them and the daemons; then `body`.
  void with_avahi(const std::function<void(AvahiSide&)>& body) {
    in_own_network([&] {
      weft::test::TemporaryFolder folder;
      AvahiSide avahi(folder.path());
      ASSERT_TRUE(
          command("ip link add av0 type veth peer name av1 netns " + std::to_string(avahi.pid())));
      ASSERT_TRUE(command("ip addr add 10.78.0.1/24 dev av0 && ip link set av0 up"));
      ASSERT_TRUE(avahi.finish({"ip", "link", "set", "lo", "up"}, {}));
      ASSERT_TRUE(avahi.finish({"ip", "addr", "add", "10.78.0.2/24", "dev", "av1"}, {}));
      ASSERT_TRUE(avahi.finish({"ip", "link", "set", "av1", "up"}, {}));
      Process bus = avahi.start({"dbus-daemon", "--config-file=" + folder.path() + "/bus.conf",
                                 "--nofork", "--nopidfile", "--nosyslog"});
      ASSERT_TRUE(run_until({}, [&] { return access((folder / "bus").c_str(), F_OK) == 0; }));
      Process daemon = avahi.start({"/usr/sbin/avahi-daemon", "-f", folder.path() + "/avahi.conf",
                                    "--no-chroot", "--no-drop-root", "--no-rlimits"});
      ASSERT_TRUE(run_until({}, [&] {
        return avahi.finish({"avahi-browse", "-pt", "_none._tcp"}, {});
      })) << "avahi-daemon did not start";
      body(avahi);
    });
  }
};

TEST_F(Avahi, SeesAWeftNodeWithItsPortAndTextUntilItSaysGoodbye) {
  with_avahi([](AvahiSide& avahi) {
    const SystemClock clock;
    auto opened = Mdns::open({"_weft._tcp", {"av0"}}, clock.now());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    Mdns& weft = **opened;
    ASSERT_TRUE(
        weft.publish({"kitchen lamp", 7101, {{"id", "abc"}, {"v", "1"}}}, clock.now()).ok());
    const std::string expected =
        "=;av1;IPv4;kitchen\\032lamp;_weft._tcp;local;weft-kitchen-lamp.local;10.78.0.1;7101;"
        "\"v=1\" \"id=abc\"";
    const auto browse = [&](const std::string& wanted) {
      avahi.finish({"avahi-browse", "-rpt", "_weft._tcp"}, {&weft});
      return avahi.output().find(wanted) != std::string::npos;
    };
    EXPECT_TRUE(run_until({&weft}, [&] { return browse(expected); })) << avahi.output();
    EXPECT_TRUE(run_until({&weft},
                          [&] {
                            avahi.finish({"avahi-browse", "-apt"}, {&weft});
                            return avahi.output().find("_weft._tcp") != std::string::npos;
                          }))
        << "the meta query finds the type: " << avahi.output();

    weft.withdraw(clock.now());
    EXPECT_TRUE(run_until({&weft}, [&] { return !browse("lamp"); })) << avahi.output();
  });
}

TEST_F(Avahi, PublishesAServiceThatWeftFindsAndLoses) {
  with_avahi([](AvahiSide& avahi) {
    const SystemClock clock;
    auto opened = Mdns::open({"_weft._tcp", {"av0"}}, clock.now());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    Mdns& weft = **opened;
    weft.browse(clock.now());
    Watcher watcher(weft);
    Process publisher =
        avahi.start({"avahi-publish", "-s", "old radio", "_weft._tcp", "7202", "id=def", "v=1"});
    ASSERT_TRUE(run_until({&weft}, [&] { return watcher.saw(Kind::kFound, "old radio"); }));
    const Service& radio = watcher.last();
    EXPECT_EQ(radio.port, 7202);
    EXPECT_EQ(radio.host, "peer.local");
    EXPECT_EQ(radio.interface, "av0");
    EXPECT_EQ(radio.txt, (TxtMap{{"id", "def"}, {"v", "1"}}));
    ASSERT_FALSE(radio.addresses.empty());
    const bool has_v4 = std::find(radio.addresses.begin(), radio.addresses.end(), "10.78.0.2") !=
                        radio.addresses.end();
    const bool has_v6 =
        std::any_of(radio.addresses.begin(), radio.addresses.end(), [](const std::string& address) {
          return address.starts_with("fe80::") && address.ends_with("%av0");
        });
    EXPECT_TRUE(has_v4 || has_v6) << radio.addresses[0];

    publisher.stop(SIGTERM);
    EXPECT_TRUE(run_until({&weft}, [&] { return watcher.saw(Kind::kLost, "old radio"); }));
  });
}

TEST_F(Avahi, KeepsANameThatItHasAndWeftTakesANumber) {
  with_avahi([](AvahiSide& avahi) {
    const SystemClock clock;
    auto opened = Mdns::open({"_weft._tcp", {"av0"}}, clock.now());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    Mdns& weft = **opened;
    weft.browse(clock.now());
    Watcher watcher(weft);
    Process publisher = avahi.start({"avahi-publish", "-s", "shelf", "_weft._tcp", "7203"});
    ASSERT_TRUE(run_until({&weft}, [&] { return watcher.saw(Kind::kFound, "shelf"); }));
    ASSERT_TRUE(weft.publish({"shelf", 7204, {}}, clock.now()).ok());
    EXPECT_TRUE(run_until({&weft}, [&] { return weft.instance() == "shelf (2)"; }));
  });
}

}  // namespace
}  // namespace weft::discovery::test

// The HTTP server over a fake service, for clients that are programs of their own: prints its
// address, then answers until its standard input ends.
//   http_test_server [ADDR:PORT]
#include <cstdio>

#include "node/http_server.h"
#include "tests/support/fake_mesh.h"
#include "tests/support/fake_service.h"

int main(int argc, char** argv) {
  weft::test::FakeService service;
  service.shown = weft::test::fake_mesh();
  weft::node::HttpOptions options;
  options.address = argc > 1 ? argv[1] : "127.0.0.1:0";
  const auto server = weft::node::HttpServer::start(options, service);
  if (!server.ok()) {
    std::fprintf(stderr, "http_test_server: %s\n", server.error().message.c_str());
    return 1;
  }
  std::printf("http://127.0.0.1:%u\n", unsigned((*server)->port()));
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

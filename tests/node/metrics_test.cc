#include "node/metrics.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "tests/support/fake_mesh.h"

namespace weft::node {
namespace {

TEST(Metrics, HaveCountersGaugesAndLabels) {
  NodeCounters counters;
  counters.requests = 3;
  counters.completion_tokens = 1234567;
  counters.refused_handshakes = 9;
  mesh::View view = test::fake_mesh();
  view.nodes[0].name = "a\"b\\c\nd";
  const std::string text = metrics_text(counters, view, {true, "", "two rosters"}, {10, 2, 4, 1});
  for (const std::string& line :
       {std::string("# TYPE weft_requests_total counter"), std::string("weft_requests_total 3"),
        std::string("weft_completion_tokens_total 1234567"),
        std::string("weft_handshakes_refused_total 9"), std::string("weft_joins_stopped 1"),
        std::string("weft_http_errors_total 2"), std::string("weft_healthy 1"),
        std::string("weft_plan_epoch 7"),
        cat("weft_node_memory_bytes{node=\"", to_string(test::fake_id(1)), "\"} 8589934592")}) {
    EXPECT_NE(text.find(line + "\n"), std::string::npos) << line << "\n" << text;
  }
  EXPECT_NE(
      text.find("weft_node_up{node=\"" + to_string(test::fake_id(3)) + "\",name=\"old-phone\"} 0"),
      std::string::npos);
}

TEST(Metrics, EveryLineIsACommentOrASample) {
  const std::string text = metrics_text({}, test::fake_mesh(), {false, "x"}, {});
  EXPECT_NE(text.find("weft_healthy 0\n"), std::string::npos);
  EXPECT_NE(text.find("weft_joins_stopped 0\n"), std::string::npos);
  for (const std::string& line : split(text, '\n')) {
    EXPECT_TRUE(line.empty() || line.starts_with("# ") || line.starts_with("weft_")) << line;
  }
}

}  // namespace
}  // namespace weft::node

// /metrics: the node's counters and its view of the mesh, for Prometheus.
#pragma once

#include <string>

#include "node/service.h"

namespace weft::node {

// What the HTTP server counts itself.
struct HttpCounters {
  uint64_t requests = 0;
  uint64_t errors = 0;       // answered with 400 or more
  uint64_t connections = 0;  // open now
  uint64_t streams = 0;      // being written now
};

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

// Prometheus text exposition format 0.0.4. Any thread.
std::string metrics_text(const NodeCounters& counters, const mesh::View& view,
                         const Health& health, const HttpCounters& http);

}  // namespace weft::node

#include "node/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>

#include "base/text.h"

namespace weft::node {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  void counter(std::string name, std::string help, uint64_t value) {
    MetricFamily family{std::move(name), std::move(help), MetricType::Counter, {}};
    ClientMetric metric;
    metric.counter.value = double(value);
    family.metric.push_back(std::move(metric));
    all_.push_back(std::move(family));
  }
  void gauge(std::string name, std::string help, double value) {
    add(gauges(std::move(name), std::move(help)), {}, value);
  }
  MetricFamily& gauges(std::string name, std::string help) {
    return all_.emplace_back(MetricFamily{std::move(name), std::move(help), MetricType::Gauge, {}});
  }
  static void add(MetricFamily& family, Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    family.metric.push_back(std::move(metric));
  }
  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, all_);
    return std::move(out).str();
  }

 private:
  std::vector<MetricFamily> all_;
};

void add_counters(Families& families, const NodeCounters& counters, const HttpCounters& http) {
  families.counter("weft_requests_total", "Completions asked for.", counters.requests);
  families.counter("weft_requests_failed_total", "Completions that ended with an error.",
                   counters.requests_failed);
  families.counter("weft_prompt_tokens_total", "Tokens of prompts.", counters.prompt_tokens);
  families.counter("weft_completion_tokens_total", "Tokens of answers.",
                   counters.completion_tokens);
  families.counter("weft_frames_received_total", "Frames from members.", counters.frames_in);
  families.counter("weft_frames_sent_total", "Frames to members.", counters.frames_out);
  families.counter("weft_bytes_received_total", "Bytes from members.", counters.bytes_in);
  families.counter("weft_bytes_sent_total", "Bytes to members.", counters.bytes_out);
  families.counter("weft_handshakes_refused_total", "Connections that no member's key opened.",
                   counters.refused_handshakes);
  families.counter("weft_frames_dropped_total", "Frames that broke the protocol.",
                   counters.dropped_frames);
  families.counter("weft_http_requests_total", "HTTP requests.", http.requests);
  families.counter("weft_http_errors_total", "HTTP requests answered with 400 or more.",
                   http.errors);
  families.gauge("weft_http_connections", "Open HTTP connections.", double(http.connections));
  families.gauge("weft_http_streams", "Answers being streamed.", double(http.streams));
}

void add_nodes(Families& families, const mesh::View& view) {
  {
    MetricFamily& up = families.gauges("weft_node_up", "1 if the member is alive, by this node.");
    for (const mesh::NodeView& node : view.nodes) {
      Families::add(up, {{"node", to_string(node.node)}, {"name", printable(node.name)}},
                    node.state == mesh::MemberState::kAlive);
    }
  }
  {
    MetricFamily& memory =
        families.gauges("weft_node_memory_bytes", "Memory that a member lends to models.");
    for (const mesh::NodeView& node : view.nodes) {
      if (!node.has_profile) continue;
      Families::add(memory, {{"node", to_string(node.node)}}, double(node.profile.memory_bytes));
    }
  }
  {
    MetricFamily& speed = families.gauges("weft_node_decode_tokens_per_second",
                                          "Tokens that a member's stage decoded lately.");
    for (const mesh::NodeView& node : view.nodes) {
      Families::add(speed, {{"node", to_string(node.node)}}, node.beat.decode_tokens_per_s);
    }
  }
  {
    MetricFamily& round_trip =
        families.gauges("weft_link_round_trip_seconds", "Measured round trip between members.");
    for (const mesh::NodeView& node : view.nodes) {
      for (const transport::LinkMeasure& link : node.beat.links) {
        Families::add(round_trip, {{"node", to_string(node.node)}, {"peer", to_string(link.peer)}},
                      link.round_trip_s);
      }
    }
  }
}

void add_plan(Families& families, const mesh::View& view, const Health& health) {
  families.gauge("weft_healthy", "1 if this node can answer.", health.ok);
  families.gauge("weft_joins_stopped", "1 if an alarm about the roster has stopped joins.",
                 !health.alarm.empty());
  families.gauge("weft_plan_active", "1 if a plan serves.", view.has_plan && view.plan.active);
  families.gauge("weft_plan_epoch", "The plan's number.",
                 view.has_plan ? double(view.plan.epoch.value) : 0);
  families.gauge("weft_plan_predicted_decode_tokens_per_second", "Of one stream, as planned.",
                 view.has_plan ? view.plan.decode_tps : 0);
  families.gauge("weft_sessions_open", "Answers that this node leads.",
                 double(view.sessions.size()));
  families.gauge("weft_stage_sessions", "Sessions that this node's stage holds.",
                 view.stage_sessions);
  families.gauge("weft_queued_rows", "Rows that wait for this node's stage.", view.queued_rows);
}

}  // namespace

std::string metrics_text(const NodeCounters& counters, const mesh::View& view,
                         const Health& health, const HttpCounters& http) {
  Families families;
  add_counters(families, counters, http);
  add_nodes(families, view);
  add_plan(families, view, health);
  return families.text();
}

}  // namespace weft::node

#include "node/mesh_report.h"

#include <cstdarg>
#include <cstdio>

#include "base/text.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kTextBytesMax = 4096;
constexpr size_t kColumns = 100;

__attribute__((format(printf, 1, 2))) std::string format(const char* pattern, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(line, sizeof line, pattern, arguments);
  va_end(arguments);
  return line;
}

// The node's answer is data like any other: a field that is missing reads as nothing, and control
// characters do not reach the terminal.
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return "";
  return printable(found->get_ref<const std::string&>(), kTextBytesMax);
}

// `text` after `head`, broken between words into lines of at most kColumns bytes where that can be;
// further lines stand under the first one's text.
std::string wrapped(const std::string& head, const std::string& text) {
  std::string out, line = head;
  const std::string indent(head.size(), ' ');
  bool empty = true;  // no word on this line yet
  for (const std::string& word : split(text, ' ')) {
    if (!empty && line.size() + 1 + word.size() > kColumns) {
      out += line + "\n";
      line = indent;
      empty = true;
    }
    if (!empty) line += " ";
    line += word;
    empty = false;
  }
  return out + line + "\n";
}

double number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}
const Json& part_of(const Json& object, const char* key) {
  static const Json kNothing = Json::object();
  const auto found = object.find(key);
  return found != object.end() && !found->is_null() ? *found : kNothing;
}

std::string layers_text(const Json& layers) {
  if (!layers.contains("first")) return "-";
  return cat(int(number_of(layers, "first")), "-", int(number_of(layers, "last")) - 1);
}

bool is_true(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

// The first line of a plan: its number or that it is none, the model, how far it is.
std::string heading(const Json& plan) {
  const std::string model = text_of(plan, "model_name");
  const std::string layers = cat(model, " over ", int(number_of(plan, "layer_count")), " layers");
  if (is_true(plan, "preview")) {
    return cat("preview: ", layers, ", if it were served (`weft run ", model, " --mesh`)\n");
  }
  const int percent = int(100 * number_of(plan, "progress"));
  return cat("plan ", uint64_t(number_of(plan, "epoch")), ": ", layers,
             is_true(plan, "active") ? "" : cat(" (loading, ", percent, " %)"), "\n");
}

}  // namespace

std::string plan_text(const Json& plan) {
  const Json& predicted = part_of(plan, "predicted");
  std::string out = heading(plan);
  if (number_of(predicted, "decode_tps") > 0) {
    out += format("  predicted: %.1f tokens/s for one stream", number_of(predicted, "decode_tps"));
    if (number_of(predicted, "throughput_tps") > 0) {
      out += format(", %.1f for many, prefill %.0f", number_of(predicted, "throughput_tps"),
                    number_of(predicted, "prefill_tps"));
    }
    out += "\n";
  }
  for (const Json& stage : part_of(plan, "stages")) {
    out += format("  %-20s layers %3d-%-3d", text_of(stage, "name").c_str(),
                  int(number_of(stage, "first_layer")), int(number_of(stage, "last_layer")) - 1);
    if (number_of(stage, "memory_bytes") > 0) {
      out += format("  %9s  %7.2f ms + hop %.2f ms",
                    format_bytes(uint64_t(number_of(stage, "memory_bytes"))).c_str(),
                    1e3 * number_of(stage, "decode_s"), 1e3 * number_of(stage, "hop_s"));
    }
    out += "\n";
  }
  for (const Json& node : part_of(plan, "left_out")) {
    out += wrapped(format("  %-20s left out: ", text_of(node, "name").c_str()),
                   text_of(node, "reason"));
  }
  return out;
}

std::string status_text(const Json& mesh) {
  const std::string coordinator = text_of(mesh, "coordinator");
  std::string out = format("%-20s %-8s %-8s %-28s %9s %8s\n", "node", "state", "layers", "backend",
                           "memory", "streams");
  for (const Json& node : part_of(mesh, "nodes")) {
    const Json& load = part_of(node, "load");
    std::string name = text_of(node, "name");
    if (is_true(node, "self")) name += " (this)";
    if (text_of(node, "id") == coordinator) name += " *";
    out += format("%-20s %-8s %-8s %-28s %9s %8d\n", name.c_str(), text_of(node, "state").c_str(),
                  layers_text(part_of(node, "layers")).c_str(),
                  text_of(node, "backend").substr(0, 28).c_str(),
                  format_bytes(uint64_t(number_of(node, "memory_bytes"))).c_str(),
                  int(number_of(load, "stage_sessions")));
  }
  out += "(* coordinates)\n";
  const Json& plan = part_of(mesh, "plan");
  if (plan.contains("stages")) out += plan_text(plan);
  if (const std::string problem = text_of(mesh, "problem"); !problem.empty()) {
    out += wrapped("problem: ", problem);
  }
  const Json& refusal = part_of(mesh, "refusal");
  if (const std::string reason = text_of(refusal, "reason"); !reason.empty()) {
    out += wrapped("refused: ", cat(text_of(refusal, "model_name"), ": ", reason));
  }
  if (const std::string warning = text_of(mesh, "warning"); !warning.empty()) {
    out += wrapped("warning: ", warning);
  }
  if (const std::string alarm = text_of(mesh, "alarm"); !alarm.empty()) {
    out += wrapped("! ", alarm + " (`weft members --clear-alarm` then).");
  }
  std::string devices;
  for (const Json& device : part_of(mesh, "vulkan_devices")) {
    devices += format("  %2d  %-40s %-10s %9s\n", int(number_of(device, "index")),
                      text_of(device, "name").substr(0, 40).c_str(),
                      text_of(device, "kind").c_str(),
                      format_bytes(uint64_t(number_of(device, "memory_bytes"))).c_str());
  }
  if (!devices.empty()) out += "Vulkan devices here (for --vulkan-device):\n" + devices;
  return out;
}

}  // namespace weft::node

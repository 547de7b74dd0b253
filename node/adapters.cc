#include "node/adapters.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "base/text.h"
#include "crypto/hash.h"

namespace weft::node {
namespace {

// Empty, or why it is no choice: a validator for CLI11.
std::string choice_defect(const std::string& text) {
  const auto choice = model::parse_adapter_choice(text);
  return choice.ok() ? "" : choice.error().message;
}

}  // namespace

void add_lora_option(CLI::App* command, std::vector<std::string>& choices) {
  command->add_option("--lora", choices,
                      "FILE[:SCALE]: a LoRA adapter (GGUF) to apply, by default with scale 1 "
                      "(repeatable)")
      ->allow_extra_args(false)
      ->check(choice_defect);
}

Result<AdapterFiles> open_adapters(const std::vector<std::string>& choices) {
  AdapterFiles files;
  for (const std::string& text : choices) {
    WEFT_TRY(const model::AdapterChoice choice, model::parse_adapter_choice(text));
    WEFT_TRY(auto file, model::open_adapter(choice));
    files.push_back(std::move(file));
  }
  return files;
}

uint64_t adapter_memory(const AdapterFiles& files) {
  uint64_t bytes = 0;
  for (const auto& from : files) {
    for (const model::GgufTensor& tensor : from->file.tensors()) {
      bytes += tensor.name.ends_with(".lora_b") ? tensor.elements * sizeof(float) : tensor.bytes;
    }
  }
  return bytes;
}

Digest adapters_digest(const AdapterFiles& files) {
  if (files.empty()) return {};
  crypto::Hasher hasher;
  for (const auto& from : files) {
    hasher.update(from->file.header());
    for (const model::GgufTensor& tensor : from->file.tensors()) {
      hasher.update(from->file.data(tensor));
    }
    hasher.update(as_bytes({reinterpret_cast<const char*>(&from->scale), sizeof from->scale}));
  }
  return hasher.finish();
}

std::string differing_adapters(const mesh::View& view) {
  const auto node_of = [&](const mesh::StageView& stage) -> const mesh::NodeView* {
    const auto found = std::ranges::find(view.nodes, stage.node, &mesh::NodeView::node);
    return found == view.nodes.end() || !found->has_profile ? nullptr : &*found;
  };
  const mesh::NodeView* first = nullptr;
  std::string others;
  for (const mesh::StageView& stage : view.plan.stages) {
    const mesh::NodeView* const node = node_of(stage);
    if (!node) continue;
    if (!first) first = node;
    if (node->profile.adapters == first->profile.adapters) continue;
    others += cat(others.empty() ? "" : ", ", node->name);
  }
  if (others.empty()) return "";
  return cat("other LoRA adapters than on ", first->name, " are applied on ", others,
             ", so answers are of a model that is adapted in part; give every node of the mesh the "
             "same --lora flags, in the same order");
}

Result<model::Adapters> adapters_for(const std::vector<std::string>& choices,
                                     const model::Model& model) {
  model::Adapters adapters;
  WEFT_TRY(const AdapterFiles files, open_adapters(choices));
  for (const auto& file : files) {
    WEFT_TRY(auto adapter, model::fit_adapter(file, model));
    adapters.push_back(std::move(adapter));
  }
  return adapters;
}

FittingAdapters fitting_adapters(const AdapterFiles& files, const model::Model& model,
                                 const std::string& model_name) {
  FittingAdapters fitting;
  for (const auto& from : files) {
    AdapterState state{std::filesystem::path(from->file.path()).filename(), from->scale};
    auto adapter = model::fit_adapter(from, model);
    state.applied = adapter.ok();
    if (adapter.ok()) {
      log_info("lora.applied", {{"file", state.file},
                                {"scale", state.scale},
                                {"model", model_name},
                                {"tensors", (*adapter)->pair_count()}});
      fitting.adapters.push_back(*std::move(adapter));
    } else {
      state.reason = adapter.error().message;
      log_error("lora.left_out", {{"file", state.file},
                                  {"model", model_name},
                                  {"error", state.reason}});
    }
    fitting.states.push_back(std::move(state));
  }
  return fitting;
}

}  // namespace weft::node

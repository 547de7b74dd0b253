// LoRA adapters as commands and nodes are given them: `--lora FILE[:SCALE]`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "mesh/view.h"
#include "model/adapter.h"

namespace CLI {
class App;
}

namespace weft::node {

// Adds --lora, which fills `choices`; they must outlive the parsing.
void add_lora_option(CLI::App* command, std::vector<std::string>& choices);

using AdapterFiles = std::vector<std::shared_ptr<const model::AdapterFile>>;
// In the order of the choices. Errors as model::open_adapter.
Result<AdapterFiles> open_adapters(const std::vector<std::string>& choices);
// Most memory that they can take, on any model: A as it is in the file, B in F32.
uint64_t adapter_memory(const AdapterFiles& files);
// The same for all who have the same files with the same scales in the same order; zero: none.
Digest adapters_digest(const AdapterFiles& files);
// Empty, or which stages of the plan in force apply other adapters than its first one: a model that
// is adapted in part answers then, and no stage can see it.
std::string differing_adapters(const mesh::View& view);

// All of them on a model that was named with them; the first that does not fit is the error.
Result<model::Adapters> adapters_for(const std::vector<std::string>& choices,
                                     const model::Model& model);

// What became of an adapter when a node last loaded a model.
struct AdapterState {
  std::string file;  // its name, without the folder
  float scale = 1;
  bool applied = false;
  std::string reason = {};  // why not
};
struct FittingAdapters {
  model::Adapters adapters;  // those that fit
  std::vector<AdapterState> states;
};
// For a node, whose model the mesh chooses: those that fit it; each is logged, applied or not.
FittingAdapters fitting_adapters(const AdapterFiles& files, const model::Model& model,
                                 const std::string& model_name);

}  // namespace weft::node

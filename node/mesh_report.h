// /api/mesh as a table for people: what `weft status` and `weft plan` print.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace weft::node {

// Nodes with their state, layers, backend, memory and load; the plan; what is wrong and why joins
// have stopped, if so; this machine's Vulkan devices ("vulkan_devices"), if it has any. Long texts
// are wrapped at 100 columns.
std::string status_text(const nlohmann::ordered_json& mesh);

// The split: each stage's layers, memory, predicted times, and why nodes were left out.
std::string plan_text(const nlohmann::ordered_json& plan);

}  // namespace weft::node

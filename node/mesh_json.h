// The mesh as JSON: the body of /api/mesh, and what `weft status --json` prints.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mesh/view.h"
#include "node/adapters.h"

namespace weft::node {

// {self, coordinator, highest_epoch, nodes, plan, offers, sessions, stage_sessions, queued_rows,
// problem, refusal, alarm, lora}. Ids are lowercase hexadecimal; `coordinator`, `plan`, `problem`,
// `refusal` and `alarm` are null where there is none. Sizes in bytes, rates per second, round trips
// in milliseconds. Any thread; every text is well-formed UTF-8, whatever a peer sent.
//   alarm     why joins have stopped, as Health has it
//   adapters  of this node
nlohmann::ordered_json mesh_json(const mesh::View& view, const std::string& alarm = "",
                                 const std::vector<AdapterState>& adapters = {});

// One plan, as under `plan` there.
nlohmann::ordered_json plan_json(const mesh::PlanView& plan);

}  // namespace weft::node

// The mesh as JSON: the body of /api/mesh, and what `weft status --json` prints.
#pragma once

#include <nlohmann/json.hpp>

#include "mesh/view.h"

namespace weft::node {

// {self, coordinator, highest_epoch, nodes, plan, offers, sessions, stage_sessions, queued_rows,
// problem}. Ids are lowercase hexadecimal; `coordinator`, `plan` and `problem` are null where there
// is none. Sizes in bytes, rates per second, round trips in milliseconds. Any thread; every text
// is well-formed UTF-8, whatever a peer sent.
nlohmann::ordered_json mesh_json(const mesh::View& view);

}  // namespace weft::node

// Survey: what the members' profiles, offers and beats add up to, as the planner's question.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/id.h"
#include "mesh/machine.h"
#include "mesh/membership.h"
#include "mesh/view.h"
#include "partition/planner.h"
#include "transport/message.h"

namespace weft::mesh {

// The models that alive members hold, by name, then id; each with its holders.
std::vector<OfferView> offers(const Membership& members);

// An alive member's offer of this model; null if none holds it.
const transport::ModelOffer* find_offer(const Membership& members, ModelId model);
std::vector<NodeId> holders(const Membership& members, ModelId model);

// The planner's question over alive members with a profile, without `excluded`.
partition::PlanRequest plan_request(const Membership& members, const transport::ModelOffer& offer,
                                    const MachineConfig& config, size_t min_nodes,
                                    const std::set<NodeId>& excluded);

// Can every node that both plans use hold its layers of both at once, as profiles and offers say,
// with batches of up to `rows_max` rows? False if that is not known. Members ask it of the same
// data and so mostly agree; where they do not, a stream meets a stage that has dropped its plan,
// and starts again on the next.
bool fits_beside(const Membership& members, const transport::Propose& serving,
                 const transport::Propose& next, uint32_t rows_max);

// Streams that are open on alive members, as their last beats say.
uint32_t open_sessions(const Membership& members);

}  // namespace weft::mesh

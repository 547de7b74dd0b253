// Checks on what members send. A member is trusted to be a member, not to be right: a defect or a
// break-in on one device must not bring down the others. kInvalid says what is wrong; nothing here
// changes any state.
#pragma once

#include <optional>

#include "base/id.h"
#include "base/result.h"
#include "transport/message.h"

namespace weft::mesh {

// Stages that cover all layers once, in order, each on another node; sizes that make sense.
Result<> check_propose(const transport::Propose& plan);

// A Step that stage `index` of the plan got from `from`: the sender is who feeds this stage, rows
// and positions are within the plan, the payload has the shape it claims, every id is in the
// vocabulary, every activation is finite.
Result<> check_step(const transport::Step& step, const transport::Propose& plan, size_t index,
                    NodeId from);

// Finite, non-negative numbers and counts within their limits, so that the planner's sums can
// neither overflow nor become NaN.
Result<> check_profile(const transport::Profile& profile);
Result<> check_beat(const transport::Beat& beat);

Result<> check_sampling(const SamplingParams& sampling);

// The stage that a node has in a plan; nothing if it has none.
std::optional<size_t> stage_index(const transport::Propose& plan, NodeId node);

}  // namespace weft::mesh

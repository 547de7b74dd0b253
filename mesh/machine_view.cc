// What a machine shows of itself.
#include <algorithm>

#include "base/text.h"
#include "mesh/limits.h"
#include "mesh/machine_parts.h"
#include "mesh/survey.h"

namespace weft::mesh {

std::string Machine::Parts::problem(Time now) const {
  if (rollout.active()) return "";
  if (!coordinator.problem().empty()) return coordinator.problem();
  if (report_ && now - report_->at < kProblemFresh) return report_->text;
  return "";
}

NoPlan Machine::Parts::no_plan(Time now) const {
  if (std::string text = problem(now); !text.empty()) return {std::move(text), true};
  if (const transport::Propose* plan = rollout.plan()) {
    return {cat("the mesh is loading ", plan->model_name, " (",
                int(100 * plan_view(*plan).progress), " %); ask again in a moment")};
  }
  return {"the mesh has no plan yet; ask again in a moment"};
}

PlanView Machine::Parts::plan_view(const transport::Propose& plan) const {
  PlanView view;
  view.epoch = plan.epoch;
  view.model = plan.model;
  view.model_name = plan.model_name;
  view.active = rollout.active_epoch() == plan.epoch;
  view.layer_count = plan.layer_count;
  view.hidden_dim = plan.hidden_dim;
  view.vocab_size = plan.vocab_size;
  view.context_length = plan.context_length;
  view.kv_tokens = plan.kv_tokens;
  view.kv_type = plan.kv_type;
  view.decode_tps = plan.predicted_decode_tps;
  view.progress = 1;
  const partition::Plan* details = coordinator.details(plan.epoch);
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const transport::StageSpec& spec = plan.stages[i];
    StageView stage_view;
    stage_view.node = spec.node;
    stage_view.name = members.name(spec.node);
    stage_view.first_layer = spec.first_layer;
    stage_view.last_layer = spec.last_layer;
    stage_view.progress = view.active ? 1 : rollout.progress(spec.node);
    if (details && i < details->stages.size()) {
      stage_view.decode_s = details->stages[i].decode_s;
      stage_view.hop_s = details->stages[i].hop_s;
      stage_view.memory_bytes = details->stages[i].memory_bytes;
    }
    view.progress = std::min(view.progress, stage_view.progress);
    view.stages.push_back(std::move(stage_view));
  }
  if (details) {
    view.decode_tps = details->decode_tps;
    view.throughput_tps = details->throughput_tps;
    view.prefill_tps = details->prefill_tps;
    for (const partition::LeftOut& out : details->left_out) {
      view.left_out.push_back({out.node, members.name(out.node), out.reason});
    }
  }
  return view;
}

View Machine::Parts::view(Time now) const {
  View view;
  view.self = config.self;
  view.coordinator = coordinator_of(members);
  view.highest_epoch = epochs.highest();
  for (const auto& [node, member] : members.members()) {
    NodeView entry;
    entry.node = node;
    entry.name = members.name(node);
    entry.state = member.state;
    entry.self = node == config.self;
    entry.link_up = entry.self || members.is_linked(node);
    entry.has_profile = member.profile.has_value();
    entry.beat_age_s = entry.self ? 0 : to_seconds(now - member.last_beat);
    if (member.profile) entry.profile = *member.profile;
    entry.beat = member.beat;
    view.nodes.push_back(std::move(entry));
  }
  const transport::Propose* plan = rollout.active() ? rollout.active() : rollout.plan();
  if (plan) {
    view.has_plan = true;
    view.plan = plan_view(*plan);
  }
  view.offers = offers(members);
  view.sessions = sessions.view(now);
  view.stage_sessions = uint32_t(stage->session_count());
  view.queued_rows = stage->queued_rows();
  if (retiring) {
    view.stage_sessions += uint32_t(retiring->session_count());
    view.queued_rows += retiring->queued_rows();
  }
  view.problem = problem(now);
  view.refusal = refusal;
  return view;
}

}  // namespace weft::mesh

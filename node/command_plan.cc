#include "node/command_plan.h"

#include <filesystem>

#include "base/text.h"
#include "node/mesh_report.h"
#include "node/model_path.h"
#include "node/plan_preview.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

Result<Json> served_plan(const Json& mesh) {
  const auto plan = mesh.find("plan");
  if (plan != mesh.end() && plan->is_object()) return Json(*plan);
  const auto problem = mesh.find("problem");
  return Error(ErrorCode::kUnavailable,
               problem != mesh.end() && problem->is_string()
                   ? printable(problem->get_ref<const std::string&>(), 1000)
                   : "the mesh has no plan yet");
}

Result<Json> previewed_plan(const HttpClient& client, const std::string& model) {
  auto plan = client.post_json("/api/plan", {{"model", model_name(model)}});
  std::error_code ignored;
  const bool unknown = !plan.ok() && plan.error().code == ErrorCode::kNotFound;
  if (!unknown || !std::filesystem::is_regular_file(model, ignored)) return plan;
  WEFT_TRY(const transport::ModelOffer shape, shape_of_file(model));
  return client.post_json("/api/plan", {{"shape", shape_json(shape)}});
}

}  // namespace

Result<std::string> plan_report(const HttpClient& client, const std::string& model, bool json) {
  WEFT_TRY(const Json mesh, client.get_json("/api/mesh"));
  Result<Json> plan = served_plan(mesh);
  const bool served =
      plan.ok() && plan->value("model_name", Json()) == Json(model_name(model));
  if (!model.empty() && !served) plan = previewed_plan(client, model);
  if (!plan.ok()) return std::move(plan).error();
  return json ? plan->dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
              : plan_text(*plan);
}

}  // namespace weft::node

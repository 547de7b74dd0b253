// `weft plan`: how the model is split, how fast it should be, and why; for the model that is
// served, or as a preview for another one.
#pragma once

#include <string>

#include "base/result.h"
#include "node/http_client.h"

namespace weft::node {

// The report that `weft plan` prints, asked of a running node.
//   model  empty: the one that is served. Else a name that the mesh offers, or a file here, whose
//          metadata alone is read: for what is not served the node previews the plan.
// kUnavailable: there is no plan, or the model fits nowhere, with what is missing; kNotFound.
Result<std::string> plan_report(const HttpClient& client, const std::string& model, bool json);

}  // namespace weft::node

// MeshAnswerer: the mesh of a node that runs, asked over its HTTP API, for `weft run --mesh`.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "node/answerer.h"
#include "node/http_client.h"

namespace weft::node {

inline constexpr Duration kMeshLoadMax = seconds(1800);  // fetching and loading a large model
// A mesh that says why it cannot serve may be about to: members join, plans are made.
inline constexpr Duration kMeshProblemMax = seconds(15);

class MeshAnswerer final : public Answerer {
 public:
  // Asks the mesh to serve `model` and waits until it does, with progress on stderr. kUnavailable:
  // no node, or the mesh's own reason; kExhausted: another model's streams are open; kNotFound:
  // nobody offers the model; kCancelled; kTimeout.
  // The clock must outlive the answerer.
  static Result<std::unique_ptr<MeshAnswerer>> open(HttpClient client, const std::string& model,
                                                    const Clock& clock);

  bool has_template() const override { return true; }  // the node knows
  Result<Answer> answer(const AnswerRequest& request,
                        const std::function<void(std::string_view)>& on_text) override;

 private:
  MeshAnswerer(HttpClient client, std::string model, const Clock& clock)
      : client_(std::move(client)), model_(std::move(model)), clock_(clock) {}
  Result<> wait_until_served();
  Result<Answer> ask(const AnswerRequest& request,
                     const std::function<void(std::string_view)>& on_text);

  HttpClient client_;
  std::string model_;
  const Clock& clock_;
};

// One event of /v1/chat/completions or /v1/completions into `answer`; on_text gets its text. Errors
// of the node come back as such; kCorrupt for what is no such event.
Result<> take_event(std::string_view data, Answer& answer,
                    const std::function<void(std::string_view)>& on_text);

// The request's body, streamed.
nlohmann::ordered_json completion_body(const std::string& model, const AnswerRequest& request);

}  // namespace weft::node

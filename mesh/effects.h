// What a machine asks the world to do. Events go in with a Time, effects come out; the node (or the
// simulator, or a test) carries them out in order and reports back by further events.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "mesh/compute.h"
#include "transport/message.h"

namespace weft::mesh {

// Send a message to another member. If the network refuses it, tell Machine::on_undelivered.
struct Send {
  NodeId to;
  transport::Message message;
};

// Make the slice [first_layer, last_layer) ready. The slice of the epoch `keep` goes on serving
// meanwhile and afterwards, until DropSlices; every other one is freed first (all of them if `keep`
// is 0). If the file is not here, fetch what it needs from `holders`
// (Machine::fetch_manifest, then fetch_items). Report on_load_progress now and then and
// on_slice_loaded once. A later LoadSlice or DropSlices cancels this one.
struct LoadSlice {
  Epoch epoch;
  ModelId model;
  Digest manifest;  // that a fetched manifest must have
  std::string model_name;
  uint32_t first_layer = 0;
  uint32_t last_layer = 0;  // exclusive
  uint32_t kv_tokens = 0;   // capacity over all sessions
  KvType kv_type = KvType::kF16;
  uint32_t rows_max = 0;    // most rows of one batch
  std::vector<NodeId> holders;
  Epoch keep;
};
// Free every slice of an epoch before this one.
struct DropSlices {
  Epoch before;
};

// Run a batch on the slice of its epoch; answer by on_batch_done(job, ...), also if it fails.
struct SubmitBatch {
  uint64_t job = 0;
  BatchJob batch;
};
// Free a session's KV cache; ordered after the batches submitted before. Unknown sessions are fine.
// Report on_released if there is a slice of this epoch.
struct ReleaseSession {
  Epoch epoch;
  SessionId session;
};

// The head's stream: each token in order, then exactly one SessionEnd.
struct TokenOut {
  SessionId session;
  uint32_t position = 0;  // in prompt and answer together
  TokenId token = 0;
  std::vector<TokenLogprob> logprobs = {};  // as in transport::Token
};
// Rows of the prompt that have passed the last stage.
struct SessionProgress {
  SessionId session;
  uint32_t prompt_done = 0;
  uint32_t prompt_total = 0;
};
enum class FinishReason {
  kStop,    // an end token was drawn (it is not given out)
  kLength,  // max_tokens or the context's end
};
struct Usage {
  uint32_t prompt_tokens = 0;
  uint32_t completion_tokens = 0;  // as given out
  double first_token_s = 0;        // from open to the first token; 0 if there was none
  double total_s = 0;
};
struct SessionEnd {
  SessionId session;
  Result<FinishReason> result;
  Usage usage;
  std::vector<float> embedding = {};  // of a pooled input that ended well (kStop): [hidden_dim]
};

// A hint from a member: where another one may be reached. Never a key.
struct LearnAddress {
  NodeId node;
  std::string address;
};
// A roster as a member relayed it; crypto checks its signature.
struct RosterBytes {
  NodeId from;
  SharedBytes bytes;
};
// A member's beat names an older roster than ours: send it a RosterUpdate.
struct RosterBehind {
  NodeId node;
};
// Our request_model was not granted.
struct ModelRefused {
  ModelId model;
  Error error;
};

// Serving files: read and send a Manifest or a Chunk to `to` (an error goes into Chunk::error).
struct ServeManifest {
  NodeId to;
  ModelId model;
};
struct ServeFetch {
  NodeId to;
  transport::Fetch fetch;
};

// Fetching: check the manifest against the plan's digest; answer by on_manifest_verified.
struct VerifyManifest {
  transport::Manifest manifest;
};
// Write bytes of the model's file; ordered before the VerifyItem that needs them.
struct StoreChunk {
  ModelId model;
  uint64_t offset = 0;
  SharedBytes data;
};
// All bytes of an item are stored: hash them and answer by on_item_verified.
struct VerifyItem {
  ModelId model;
  uint32_t item = 0;
};
struct FetchProgress {
  ModelId model;
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;
};
// The items asked for are stored and verified, or cannot be had.
struct FetchEnded {
  ModelId model;
  Result<> result;
};

using Effect = std::variant<Send, LoadSlice, DropSlices, SubmitBatch, ReleaseSession, TokenOut,
                            SessionProgress, SessionEnd, LearnAddress, RosterBytes, RosterBehind,
                            ModelRefused, ServeManifest, ServeFetch, VerifyManifest, StoreChunk,
                            VerifyItem, FetchProgress, FetchEnded>;

}  // namespace weft::mesh

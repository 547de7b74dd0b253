// Every message of the mesh, as plain values. transport/codec turns them into verified FlatBuffers
// frames and back; mesh and sim see this file alone.
//
// The rules they share: single-part, at most kFrameBytesMax on the wire, no pointers, no operation
// codes, no graphs. A receiver knows the sender by its key, not by what a message claims.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/kv_type.h"
#include "base/sampling.h"

namespace weft::transport {

// 2: a Step's sampling has biases, penalties of the answer, a grammar; a Token has probabilities.
// 3: a Step may be pooled, and a Token have an embedding.
// 4: an empty message on a link is a word ahead (transport/links.h).
inline constexpr uint32_t kProtocolVersion = 4;
inline constexpr size_t kFrameBytesMax = 256 * 1024;
// What a chunk of a file or of an activation may take of a frame; the rest is for the table.
inline constexpr size_t kPayloadBytesMax = 240 * 1024;
inline constexpr size_t kNameBytesMax = 63;
inline constexpr size_t kAddressesMax = 64;    // in one Hello
inline constexpr size_t kOffersMax = 16;       // models in one Profile
inline constexpr size_t kLayersMax = 512;      // of a model
inline constexpr size_t kStagesMax = 64;       // of a plan
inline constexpr size_t kHistoryMax = 64;      // tokens in a Step, for the penalties
inline constexpr size_t kStepTokensMax = 4096; // rows of one Step

struct PeerAddress {
  NodeId node;
  std::string address;  // "192.168.1.7:7071", "[fe80::1%eth0]:7071"
};

// The first message on a link, and again when its content changes.
struct Hello {
  std::string name;
  std::string version;       // of the program, for people
  uint64_t incarnation = 0;  // drawn at each start: tells a restarted node from a slow one
  uint16_t listen_port = 0;
  std::vector<PeerAddress> known;  // hints: where the sender reaches other members
};

struct LinkMeasure {
  NodeId peer;
  double round_trip_s = 0;
  double bytes_per_s = 0;  // 0: not measured yet
};

// Once a second to every member: I am here, this is my load.
struct Beat {
  uint64_t incarnation = 0;
  uint64_t number = 0;        // rises by one
  Epoch active_epoch;         // the plan it serves, 0: none
  Epoch highest_epoch;        // the highest it has seen
  uint64_t roster_epoch = 0;
  uint32_t open_sessions = 0;  // as head
  uint32_t stage_sessions = 0; // as stage
  uint32_t queued_rows = 0;
  uint32_t kv_free_tokens = 0;
  double decode_tokens_per_s = 0;  // of its stage, lately
  bool leaving = false;       // an orderly goodbye: treat as dead at once
  std::vector<LinkMeasure> links;
};

// How fast a node computes with one tensor type (GGUF's number), measured on its own kernels.
struct TypeSpeed {
  uint32_t tensor_type = 0;
  double decode_bytes_per_s = 0;   // weight bytes per second, one row
  double prefill_flops = 0;        // multiply-adds times two, many rows
};

// What the planner needs to know of a model that a node holds.
struct LayerShape {
  uint64_t bytes = 0;          // of its tensors
  uint64_t parameters = 0;     // in matrices, that one token is multiplied with
  uint32_t tensor_type = 0;    // that most bytes have
  uint32_t kv_tokens_max = 0;  // its KV cache grows no further, as it has a window; 0: it does
  uint64_t idle_bytes = 0;     // of `bytes`, what one token does not read: experts not chosen
};
struct ModelOffer {
  ModelId model;
  Digest manifest;           // BLAKE2b-256 over all tensor digests in file order
  std::string name;          // what clients call it
  uint64_t file_bytes = 0;
  uint32_t hidden_dim = 0;
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;
  uint64_t kv_bytes_per_token_layer = 0;
  // Activations and rotary tables of a stage: for each row of a batch, each position of a stream.
  uint64_t scratch_row_bytes = 0, scratch_position_bytes = 0;
  uint64_t tied_bytes = 0;  // that embedding and head share where one stage has both
  LayerShape embedding, head;  // head: output norm and matrix
  std::vector<LayerShape> layers;
};

// What a node can do; sent to every member after Hello and when it changes.
struct Profile {
  uint64_t incarnation = 0;
  std::string backend;             // "cpu avx2, 2 threads"
  uint64_t memory_bytes = 0;       // usable for weights, KV cache and scratch
  double layer_overhead_s = 0;     // of one layer besides its matrices, one row
  std::vector<TypeSpeed> speeds;
  std::vector<ModelOffer> offers;  // models it holds whole
  // Of memory_bytes, a GPU's own, which `speeds` are of; the rest is the processor's, at
  // slow_speeds. 0: all are alike.
  uint64_t fast_memory_bytes = 0;
  std::vector<TypeSpeed> slow_speeds;
  Digest adapters;  // what it applies to every model's layers besides their weights; zero: nothing
};

// A ping (reply = false) and its echo; the payload measures bandwidth.
struct LinkProbe {
  uint64_t number = 0;
  bool reply = false;
  SharedBytes payload;
};

struct StageSpec {
  NodeId node;
  uint32_t first_layer = 0;
  uint32_t last_layer = 0;  // exclusive
  bool operator==(const StageSpec&) const = default;
};

// The coordinator's plan; stages load their layers and answer Ready.
struct Propose {
  Epoch epoch;
  ModelId model;
  Digest manifest;
  uint32_t layer_count = 0;
  uint32_t hidden_dim = 0;
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;
  uint32_t kv_tokens = 0;              // capacity each stage makes, over all sessions
  KvType kv_type = KvType::kF16;       // how every stage keeps keys and values
  std::string model_name;
  double predicted_decode_tps = 0;
  std::vector<StageSpec> stages;
  std::vector<NodeId> holders;         // who has the whole file
};
// A stage's answer; also sent with progress < 1 while it fetches and loads.
struct Ready {
  Epoch epoch;
  float progress = 1;
  ErrorCode error_code = ErrorCode::kInternal;
  std::string error;  // empty: no error
};
struct Activate {
  Epoch epoch;
};
// The receiver of an old epoch's message tells the sender which one it has.
struct Stale {
  Epoch epoch;
  SessionId session;  // 0: none
};
// Asks the coordinator to serve this model.
struct Want {
  ModelId model;
};

// What becomes of an input's rows where no token is drawn: the last stage makes one vector of their
// final hidden states, after the output norm.
enum class Pooling : uint8_t { kNone, kMean, kLast };
inline constexpr uint8_t kPoolings = 3;

// Rows for a stage: tokens for the first, activations for the others. Self-contained, so a long
// prompt is several Steps and needs no reassembly.
struct Step {
  Epoch epoch;
  SessionId session;
  NodeId head;                    // where the token goes
  uint32_t first_position = 0;    // of the first row
  uint32_t token_count = 0;
  uint32_t reserve_tokens = 0;    // KV positions the session may come to need
  bool sample = false;            // the last row's logits make a token; or it ends what is pooled
  Pooling pooling = Pooling::kNone;  // of every Step of such a session
  SamplingParams sampling;        // if sample, and not pooled
  std::vector<TokenId>
      history;  // if sample and the penalty asks for it: tokens before, newest last
  std::vector<TokenId> tokens;    // first stage: [token_count]
  SharedBytes hidden;             // other stages: [token_count, hidden_dim] f32, little-endian
};
struct Token {
  Epoch epoch;
  SessionId session;
  uint32_t position = 0;  // of the drawn token
  TokenId token = 0;
  std::vector<TokenLogprob> logprobs = {};  // if asked for: its own, then the likeliest ones'
  std::vector<float> embedding = {};  // in place of a token, if pooled: [hidden_dim]
};
// The head ends a session; stages free its cache.
struct Close {
  Epoch epoch;
  SessionId session;
};
// A stage cannot run a session's rows.
struct Refused {
  Epoch epoch;
  SessionId session;
  ErrorCode code = ErrorCode::kInternal;
  std::string text;
};

// Asks for a model's manifest; answered by Manifest.
struct ManifestRequest {
  ModelId model;
};
struct Manifest {
  ModelId model;             // BLAKE2b-256 of the header
  uint64_t file_bytes = 0;
  uint64_t header_bytes = 0;
  std::vector<Digest> tensors;  // in file order
};
// Asks for a run of bytes of the file.
struct Fetch {
  ModelId model;
  uint64_t request = 0;  // echoed
  uint64_t offset = 0;
  uint32_t size = 0;     // at most kPayloadBytesMax
};
struct Chunk {
  ModelId model;
  uint64_t request = 0;
  uint64_t offset = 0;
  SharedBytes data;   // empty with an error
  std::string error;
};

// The signed roster as crypto wrote it; any member may relay it.
struct RosterUpdate {
  SharedBytes bytes;
};
struct ErrorReport {
  ErrorCode code = ErrorCode::kInternal;
  std::string text;
};

using Message = std::variant<Hello, Beat, Profile, LinkProbe, Propose, Ready, Activate, Stale, Want,
                             Step, Token, Close, Refused, ManifestRequest, Manifest, Fetch, Chunk,
                             RosterUpdate, ErrorReport>;

// The message's name as it stands in logs: "step".
std::string_view message_name(const Message& message);

}  // namespace weft::transport

// One `pack` per message; the schema is messages.fbs, the meaning is in message.h.
#include <flatbuffers/flatbuffers.h>

#include "base/text.h"
#include "messages_generated.h"
#include "transport/codec.h"

namespace weft::transport {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;
template <typename T>
using Offset = flatbuffers::Offset<T>;

wire::Id16 pack_id(NodeId id) { return wire::Id16(flatbuffers::span<const uint8_t, 16>(id.bytes)); }
template <typename Tag>
wire::Id32 pack_id(const ByteId<Tag, 32>& id) {
  return wire::Id32(flatbuffers::span<const uint8_t, 32>(id.bytes));
}

auto pack_bytes(Builder& b, ByteView bytes) { return b.CreateVector(bytes.data(), bytes.size()); }

wire::LayerShape pack_shape(const LayerShape& s) {
  return wire::LayerShape(s.bytes, s.parameters, s.idle_bytes, s.tensor_type, s.kv_tokens_max);
}

Offset<wire::Hello> pack(Builder& b, const Hello& m) {
  std::vector<Offset<wire::PeerAddress>> known;
  for (const PeerAddress& peer : m.known) {
    const auto node = pack_id(peer.node);
    known.push_back(wire::CreatePeerAddress(b, &node, b.CreateString(peer.address)));
  }
  return wire::CreateHello(b, b.CreateString(m.name), b.CreateString(m.version), m.incarnation,
                           m.listen_port, b.CreateVector(known));
}

Offset<wire::Beat> pack(Builder& b, const Beat& m) {
  std::vector<wire::LinkMeasure> links;
  for (const LinkMeasure& link : m.links) {
    links.emplace_back(pack_id(link.peer), link.round_trip_s, link.bytes_per_s);
  }
  return wire::CreateBeat(b, m.incarnation, m.number, m.active_epoch.value, m.highest_epoch.value,
                          m.roster_epoch, m.open_sessions, m.stage_sessions, m.queued_rows,
                          m.kv_free_tokens, m.decode_tokens_per_s, m.leaving,
                          b.CreateVectorOfStructs(links));
}

Offset<wire::ModelOffer> pack_offer(Builder& b, const ModelOffer& m) {
  std::vector<wire::LayerShape> layers;
  for (const LayerShape& layer : m.layers) layers.push_back(pack_shape(layer));
  const auto model = pack_id(m.model), manifest = pack_id(m.manifest);
  const auto embedding = pack_shape(m.embedding), head = pack_shape(m.head);
  return wire::CreateModelOffer(b, &model, &manifest, b.CreateString(m.name), m.file_bytes,
                                m.hidden_dim, m.vocab_size, m.context_length,
                                m.kv_bytes_per_token_layer, &embedding, &head,
                                b.CreateVectorOfStructs(layers), m.scratch_row_bytes,
                                m.scratch_position_bytes, m.tied_bytes);
}

std::vector<wire::TypeSpeed> pack_speeds(const std::vector<TypeSpeed>& speeds) {
  std::vector<wire::TypeSpeed> packed;
  for (const TypeSpeed& s : speeds) {
    packed.emplace_back(s.tensor_type, s.decode_bytes_per_s, s.prefill_flops);
  }
  return packed;
}

Offset<wire::Profile> pack(Builder& b, const Profile& m) {
  std::vector<Offset<wire::ModelOffer>> offers;
  for (const ModelOffer& offer : m.offers) offers.push_back(pack_offer(b, offer));
  const auto adapters = pack_id(m.adapters);
  return wire::CreateProfile(b, m.incarnation, b.CreateString(m.backend), m.memory_bytes,
                             m.layer_overhead_s, b.CreateVectorOfStructs(pack_speeds(m.speeds)),
                             b.CreateVector(offers), m.fast_memory_bytes,
                             b.CreateVectorOfStructs(pack_speeds(m.slow_speeds)), &adapters);
}

Offset<wire::LinkProbe> pack(Builder& b, const LinkProbe& m) {
  return wire::CreateLinkProbe(b, m.number, m.reply, pack_bytes(b, m.payload.view()));
}

Offset<wire::Propose> pack(Builder& b, const Propose& m) {
  std::vector<wire::StageSpec> stages;
  for (const StageSpec& s : m.stages) {
    stages.emplace_back(pack_id(s.node), s.first_layer, s.last_layer);
  }
  std::vector<wire::Id16> holders;
  for (const NodeId& node : m.holders) holders.push_back(pack_id(node));
  const auto model = pack_id(m.model), manifest = pack_id(m.manifest);
  return wire::CreatePropose(b, m.epoch.value, &model, &manifest, m.layer_count, m.hidden_dim,
                             m.vocab_size, m.context_length, m.kv_tokens,
                             b.CreateString(m.model_name), m.predicted_decode_tps,
                             b.CreateVectorOfStructs(stages), b.CreateVectorOfStructs(holders),
                             uint8_t(m.kv_type));
}

Offset<wire::Ready> pack(Builder& b, const Ready& m) {
  return wire::CreateReady(b, m.epoch.value, m.progress, uint8_t(m.error_code),
                           b.CreateString(m.error));
}
Offset<wire::Activate> pack(Builder& b, const Activate& m) {
  return wire::CreateActivate(b, m.epoch.value);
}
Offset<wire::Stale> pack(Builder& b, const Stale& m) {
  return wire::CreateStale(b, m.epoch.value, m.session.value);
}
Offset<wire::Want> pack(Builder& b, const Want& m) {
  const auto model = pack_id(m.model);
  return wire::CreateWant(b, &model);
}

Offset<wire::Sampling> pack(Builder& b, const SamplingParams& s) {
  Offset<flatbuffers::Vector<const wire::LogitBias*>> biases;
  if (!s.logit_bias.empty()) {
    std::vector<wire::LogitBias> packed;
    for (const LogitBias& bias : s.logit_bias) packed.push_back({bias.token, bias.bias});
    biases = b.CreateVectorOfStructs(packed);
  }
  Offset<flatbuffers::String> grammar;
  Offset<flatbuffers::Vector<int32_t>> drawn;
  if (s.grammar) {
    grammar = b.CreateString(*s.grammar);
    drawn = b.CreateVector(s.drawn);
  }
  return wire::CreateSampling(b, s.temperature, s.top_k, s.top_p, s.min_p, s.repetition_penalty,
                              s.seed, s.presence_penalty, s.frequency_penalty, s.answer_begin,
                              uint8_t(s.logprobs), biases, s.constrained, grammar, drawn);
}

Offset<wire::Step> pack(Builder& b, const Step& m) {
  Offset<wire::Sampling> sampling;
  if (m.sample && m.pooling == Pooling::kNone) sampling = pack(b, m.sampling);
  const auto history = b.CreateVector(m.history);
  const auto tokens = b.CreateVector(m.tokens);
  b.ForceVectorAlignment(m.hidden.size(), 1, 16);
  const auto hidden = pack_bytes(b, m.hidden.view());
  const auto head = pack_id(m.head);
  return wire::CreateStep(b, m.epoch.value, m.session.value, &head, m.first_position, m.token_count,
                          m.reserve_tokens, m.sample, sampling, history, tokens, hidden,
                          uint8_t(m.pooling));
}

Offset<wire::Token> pack(Builder& b, const Token& m) {
  Offset<flatbuffers::Vector<const wire::TokenLogprob*>> logprobs;
  if (!m.logprobs.empty()) {
    std::vector<wire::TokenLogprob> packed;
    for (const TokenLogprob& one : m.logprobs) packed.push_back({one.token, one.logprob});
    logprobs = b.CreateVectorOfStructs(packed);
  }
  Offset<flatbuffers::Vector<float>> embedding;
  if (!m.embedding.empty()) embedding = b.CreateVector(m.embedding);
  return wire::CreateToken(b, m.epoch.value, m.session.value, m.position, m.token, logprobs,
                           embedding);
}
Offset<wire::Close> pack(Builder& b, const Close& m) {
  return wire::CreateClose(b, m.epoch.value, m.session.value);
}
Offset<wire::Refused> pack(Builder& b, const Refused& m) {
  return wire::CreateRefused(b, m.epoch.value, m.session.value, uint8_t(m.code),
                             b.CreateString(m.text));
}
Offset<wire::ManifestRequest> pack(Builder& b, const ManifestRequest& m) {
  const auto model = pack_id(m.model);
  return wire::CreateManifestRequest(b, &model);
}
Offset<wire::Manifest> pack(Builder& b, const Manifest& m) {
  std::vector<wire::Id32> tensors;
  for (const Digest& digest : m.tensors) tensors.push_back(pack_id(digest));
  const auto model = pack_id(m.model);
  return wire::CreateManifest(b, &model, m.file_bytes, m.header_bytes,
                              b.CreateVectorOfStructs(tensors));
}
Offset<wire::Fetch> pack(Builder& b, const Fetch& m) {
  const auto model = pack_id(m.model);
  return wire::CreateFetch(b, &model, m.request, m.offset, m.size);
}
Offset<wire::Chunk> pack(Builder& b, const Chunk& m) {
  const auto model = pack_id(m.model);
  const auto data = pack_bytes(b, m.data.view());
  return wire::CreateChunk(b, &model, m.request, m.offset, data, b.CreateString(m.error));
}
Offset<wire::RosterUpdate> pack(Builder& b, const RosterUpdate& m) {
  return wire::CreateRosterUpdate(b, pack_bytes(b, m.bytes.view()));
}
Offset<wire::ErrorReport> pack(Builder& b, const ErrorReport& m) {
  return wire::CreateErrorReport(b, uint8_t(m.code), b.CreateString(m.text));
}

// The union's member for a message: both lists have the same order, the union starts at 1.
template <typename T>
constexpr wire::Body body_type();
#define WEFT_BODY(T) \
  template <>        \
  constexpr wire::Body body_type<T>() { return wire::Body_##T; }
WEFT_BODY(Hello) WEFT_BODY(Beat) WEFT_BODY(Profile) WEFT_BODY(LinkProbe) WEFT_BODY(Propose)
WEFT_BODY(Ready) WEFT_BODY(Activate) WEFT_BODY(Stale) WEFT_BODY(Want) WEFT_BODY(Step)
WEFT_BODY(Token) WEFT_BODY(Close) WEFT_BODY(Refused) WEFT_BODY(ManifestRequest) WEFT_BODY(Manifest)
WEFT_BODY(Fetch) WEFT_BODY(Chunk) WEFT_BODY(RosterUpdate) WEFT_BODY(ErrorReport)
#undef WEFT_BODY

// The builder's first size, beside what the message carries; it grows by copying.
constexpr size_t kBuilderBytes = 1024;

// The bytes a message carries beside its table.
size_t payload_bytes(const Message& message) {
  if (const auto* step = std::get_if<Step>(&message)) return step->hidden.size();
  if (const auto* chunk = std::get_if<Chunk>(&message)) return chunk->data.size();
  return 0;
}

}  // namespace

Result<SharedBytes> encode(const Message& message, NodeId sender, uint64_t sequence) {
  Builder builder(kBuilderBytes + payload_bytes(message));
  const auto [type, body] = std::visit(
      [&](const auto& m) {
        return std::pair(body_type<std::decay_t<decltype(m)>>(), pack(builder, m).Union());
      },
      message);
  const auto from = pack_id(sender);
  builder.Finish(wire::CreateFrame(builder, kProtocolVersion, &from, sequence, type, body),
                 wire::FrameIdentifier());
  if (builder.GetSize() > kFrameBytesMax) {
    return Error(ErrorCode::kInvalid,
                 cat("a ", message_name(message), " message takes ", builder.GetSize(),
                     " bytes, a frame holds ", kFrameBytesMax));
  }
  auto frame = std::make_shared<const flatbuffers::DetachedBuffer>(builder.Release());
  const ByteView view(frame->data(), frame->size());
  return SharedBytes(std::move(frame), view);
}

}  // namespace weft::transport

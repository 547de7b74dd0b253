// One `unpack` per message: it checks every count, size and number against the limits of message.h.
// The frame has been verified before, so offsets and lengths lie within it.
#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "messages_generated.h"
#include "transport/codec.h"

namespace weft::transport {
namespace {

constexpr size_t kTextBytesMax = 2048;      // an error's text
constexpr size_t kAddressBytesMax = 128;
constexpr size_t kTensorsMax = 7000;        // digests that fit a frame
constexpr size_t kTypesMax = 64;
constexpr size_t kLinksMax = 256;
constexpr uint8_t kErrorCodeLast = uint8_t(ErrorCode::kInternal);

using Owner = std::shared_ptr<const void>;

Error corrupt(std::string_view what) { return Error(ErrorCode::kCorrupt, std::string(what)); }

template <typename Id, typename Wire>
Id unpack_id(const Wire* from) {
  Id id;
  if (from) std::memcpy(id.bytes.data(), from, id.bytes.size());
  return id;
}

template <typename T>
size_t count(const flatbuffers::Vector<T>* vector) { return vector ? vector->size() : 0; }

Result<std::string> unpack_text(const flatbuffers::String* text, size_t limit) {
  if (!text) return std::string();
  if (text->size() > limit) return corrupt("a text is too long");
  return utf8_sanitize(text->string_view());
}

Result<ErrorCode> unpack_code(uint8_t code) {
  if (code > kErrorCodeLast) return corrupt("an unknown error code");
  return ErrorCode(code);
}

// A figure a peer measured: finite and not negative.
bool is_measure(double value) { return std::isfinite(value) && value >= 0; }

SharedBytes view_of(const Owner& owner, const flatbuffers::Vector<uint8_t>* bytes) {
  if (!bytes) return {};
  return SharedBytes(owner, ByteView(bytes->data(), bytes->size()));
}

Result<Message> unpack(const wire::Hello& m, const Owner&) {
  Hello out;
  WEFT_TRY(out.name, unpack_text(m.name(), kNameBytesMax));
  WEFT_TRY(out.version, unpack_text(m.version(), kNameBytesMax));
  out.incarnation = m.incarnation();
  out.listen_port = m.listen_port();
  if (count(m.known()) > kAddressesMax) return corrupt("too many addresses");
  for (size_t i = 0; i < count(m.known()); ++i) {
    const auto* peer = m.known()->Get(flatbuffers::uoffset_t(i));
    WEFT_TRY(std::string address, unpack_text(peer->address(), kAddressBytesMax));
    out.known.push_back({unpack_id<NodeId>(peer->node()), std::move(address)});
  }
  return Message(std::move(out));
}

Result<Message> unpack(const wire::Beat& m, const Owner&) {
  Beat out;
  out.incarnation = m.incarnation();
  out.number = m.number();
  out.active_epoch = {m.active_epoch()};
  out.highest_epoch = {m.highest_epoch()};
  out.roster_epoch = m.roster_epoch();
  out.open_sessions = m.open_sessions();
  out.stage_sessions = m.stage_sessions();
  out.queued_rows = m.queued_rows();
  out.kv_free_tokens = m.kv_free_tokens();
  out.decode_tokens_per_s = m.decode_tokens_per_s();
  out.leaving = m.leaving();
  if (!is_measure(out.decode_tokens_per_s)) return corrupt("a speed that is no number");
  if (count(m.links()) > kLinksMax) return corrupt("too many links");
  for (size_t i = 0; i < count(m.links()); ++i) {
    const auto* link = m.links()->Get(flatbuffers::uoffset_t(i));
    if (!is_measure(link->round_trip_s()) || !is_measure(link->bytes_per_s())) {
      return corrupt("a link's figure that is no number");
    }
    out.links.push_back({unpack_id<NodeId>(&link->peer()), link->round_trip_s(),
                         link->bytes_per_s()});
  }
  return Message(std::move(out));
}

LayerShape unpack_shape(const wire::LayerShape* s) {
  if (!s) return {};
  return {s->bytes(), s->parameters(), s->tensor_type(), s->kv_tokens_max(), s->idle_bytes()};
}

Result<ModelOffer> unpack_offer(const wire::ModelOffer& m) {
  ModelOffer out;
  out.model = unpack_id<ModelId>(m.model());
  out.manifest = unpack_id<Digest>(m.manifest());
  WEFT_TRY(out.name, unpack_text(m.name(), kNameBytesMax * 4));
  out.file_bytes = m.file_bytes();
  out.hidden_dim = m.hidden_dim();
  out.vocab_size = m.vocab_size();
  out.context_length = m.context_length();
  out.kv_bytes_per_token_layer = m.kv_bytes_per_token_layer();
  out.scratch_row_bytes = m.scratch_row_bytes();
  out.scratch_position_bytes = m.scratch_position_bytes();
  out.tied_bytes = m.tied_bytes();
  out.embedding = unpack_shape(m.embedding());
  out.head = unpack_shape(m.head());
  if (count(m.layers()) == 0 || count(m.layers()) > kLayersMax) {
    return corrupt("a model's layer count is out of range");
  }
  // Sums of all layers must stay far from overflow.
  constexpr uint64_t kLayerBytesMax = uint64_t(1) << 50;
  uint64_t largest =
      std::max({out.embedding.bytes, out.head.bytes, out.kv_bytes_per_token_layer,
                out.embedding.parameters, out.head.parameters, out.scratch_row_bytes,
                out.scratch_position_bytes});
  for (size_t i = 0; i < count(m.layers()); ++i) {
    out.layers.push_back(unpack_shape(m.layers()->Get(flatbuffers::uoffset_t(i))));
    largest = std::max({largest, out.layers.back().bytes, out.layers.back().parameters});
  }
  if (largest > kLayerBytesMax) return corrupt("a layer's size is out of range");
  return out;
}

template <typename Speeds>
Result<std::vector<TypeSpeed>> unpack_speeds(const Speeds* speeds) {
  std::vector<TypeSpeed> out;
  if (count(speeds) > kTypesMax) return corrupt("a profile with too many entries");
  for (size_t i = 0; i < count(speeds); ++i) {
    const auto* s = speeds->Get(flatbuffers::uoffset_t(i));
    if (!is_measure(s->decode_bytes_per_s()) || !is_measure(s->prefill_flops())) {
      return corrupt("a profile's figure that is no number");
    }
    out.push_back({s->tensor_type(), s->decode_bytes_per_s(), s->prefill_flops()});
  }
  return out;
}

Result<Message> unpack(const wire::Profile& m, const Owner&) {
  Profile out;
  out.incarnation = m.incarnation();
  WEFT_TRY(out.backend, unpack_text(m.backend(), kTextBytesMax));
  out.memory_bytes = m.memory_bytes();
  out.layer_overhead_s = m.layer_overhead_s();
  if (!is_measure(out.layer_overhead_s)) return corrupt("a profile's figure that is no number");
  if (count(m.offers()) > kOffersMax) return corrupt("a profile with too many entries");
  WEFT_TRY(out.speeds, unpack_speeds(m.speeds()));
  out.fast_memory_bytes = m.fast_memory_bytes();
  WEFT_TRY(out.slow_speeds, unpack_speeds(m.slow_speeds()));
  out.adapters = unpack_id<Digest>(m.adapters());
  for (size_t i = 0; i < count(m.offers()); ++i) {
    WEFT_TRY(ModelOffer offer, unpack_offer(*m.offers()->Get(flatbuffers::uoffset_t(i))));
    out.offers.push_back(std::move(offer));
  }
  return Message(std::move(out));
}

Result<Message> unpack(const wire::LinkProbe& m, const Owner& owner) {
  if (count(m.payload()) > kPayloadBytesMax) return corrupt("a probe's payload is too large");
  return Message(LinkProbe{m.number(), m.reply(), view_of(owner, m.payload())});
}

Result<Message> unpack(const wire::Propose& m, const Owner&) {
  Propose out;
  out.epoch = {m.epoch()};
  out.model = unpack_id<ModelId>(m.model());
  out.manifest = unpack_id<Digest>(m.manifest());
  out.layer_count = m.layer_count();
  out.hidden_dim = m.hidden_dim();
  out.vocab_size = m.vocab_size();
  out.context_length = m.context_length();
  out.kv_tokens = m.kv_tokens();
  if (m.kv_type() >= kKvTypes) return corrupt("a plan with a KV cache of an unknown type");
  out.kv_type = KvType(m.kv_type());
  WEFT_TRY(out.model_name, unpack_text(m.model_name(), kNameBytesMax * 4));
  out.predicted_decode_tps = m.predicted_decode_tps();
  if (!is_measure(out.predicted_decode_tps)) return corrupt("a prediction that is no number");
  if (out.layer_count == 0 || out.layer_count > kLayersMax || count(m.stages()) == 0 ||
      count(m.stages()) > kStagesMax || count(m.holders()) > kLinksMax) {
    return corrupt("a plan's counts are out of range");
  }
  uint32_t next_layer = 0;
  for (size_t i = 0; i < count(m.stages()); ++i) {
    const auto* s = m.stages()->Get(flatbuffers::uoffset_t(i));
    if (s->first_layer() != next_layer || s->last_layer() <= s->first_layer() ||
        s->last_layer() > out.layer_count) {
      return corrupt("a plan's stages do not cover the layers once, in order");
    }
    next_layer = s->last_layer();
    out.stages.push_back({unpack_id<NodeId>(&s->node()), s->first_layer(), s->last_layer()});
  }
  if (next_layer != out.layer_count) return corrupt("a plan's stages leave layers out");
  for (size_t i = 0; i < count(m.holders()); ++i) {
    out.holders.push_back(unpack_id<NodeId>(m.holders()->Get(flatbuffers::uoffset_t(i))));
  }
  return Message(std::move(out));
}

Result<Message> unpack(const wire::Ready& m, const Owner&) {
  Ready out{{m.epoch()}, m.progress(), ErrorCode::kInternal, ""};
  if (!(out.progress >= 0 && out.progress <= 1)) return corrupt("a progress outside 0 to 1");
  WEFT_TRY(out.error_code, unpack_code(m.error_code()));
  WEFT_TRY(out.error, unpack_text(m.error(), kTextBytesMax));
  return Message(std::move(out));
}
Result<Message> unpack(const wire::Activate& m, const Owner&) {
  return Message(Activate{{m.epoch()}});
}
Result<Message> unpack(const wire::Stale& m, const Owner&) {
  return Message(Stale{{m.epoch()}, {m.session()}});
}
Result<Message> unpack(const wire::Want& m, const Owner&) {
  return Message(Want{unpack_id<ModelId>(m.model())});
}

std::vector<TokenId> unpack_tokens(const flatbuffers::Vector<int32_t>* tokens) {
  return tokens ? std::vector<TokenId>(tokens->begin(), tokens->end()) : std::vector<TokenId>();
}

Result<SamplingParams> unpack(const wire::Sampling& s) {
  SamplingParams out = {s.temperature(),        s.top_k(), s.top_p(), s.min_p(),
                        s.repetition_penalty(), s.seed()};
  out.presence_penalty = s.presence_penalty();
  out.frequency_penalty = s.frequency_penalty();
  out.answer_begin = s.answer_begin();
  out.logprobs = s.logprobs();
  out.constrained = s.constrained();
  if (count(s.logit_bias()) > kLogitBiasMax) return corrupt("too many logit biases");
  for (size_t i = 0; i < count(s.logit_bias()); ++i) {
    const auto* bias = s.logit_bias()->Get(flatbuffers::uoffset_t(i));
    out.logit_bias.push_back({bias->token(), bias->bias()});
  }
  if (count(s.drawn()) > kDrawnMax) return corrupt("too many tokens with a grammar");
  out.drawn = unpack_tokens(s.drawn());
  if (s.grammar()) {
    WEFT_TRY(std::string grammar, unpack_text(s.grammar(), kGrammarBytesMax));
    out.grammar = std::make_shared<const std::string>(std::move(grammar));
  }
  return out;
}

Result<Message> unpack(const wire::Step& m, const Owner& owner) {
  Step out;
  out.epoch = {m.epoch()};
  out.session = {m.session()};
  out.head = unpack_id<NodeId>(m.head());
  out.first_position = m.first_position();
  out.token_count = m.token_count();
  out.reserve_tokens = m.reserve_tokens();
  out.sample = m.sample();
  if (m.pooling() >= kPoolings) return corrupt("a step with an unknown pooling");
  out.pooling = Pooling(m.pooling());
  if (out.token_count == 0 || out.token_count > kStepTokensMax ||
      out.first_position > UINT32_MAX - out.token_count) {
    return corrupt("a step's positions are out of range");
  }
  if (count(m.history()) > kHistoryMax) return corrupt("a step's history is too long");
  if (count(m.tokens()) != 0 && count(m.tokens()) != out.token_count) {
    return corrupt("a step's tokens differ from its count");
  }
  // The row's width is the plan's; here only: whole floats, the same number in each row.
  if (count(m.hidden()) % (size_t(out.token_count) * sizeof(float)) != 0) {
    return corrupt("a step's activations differ from its count");
  }
  if ((count(m.tokens()) != 0) == (count(m.hidden()) != 0)) {
    return corrupt("a step needs either tokens or activations");
  }
  if (const auto* s = m.sampling()) {
    WEFT_TRY(out.sampling, unpack(*s));
  }
  out.history = unpack_tokens(m.history());
  out.tokens = unpack_tokens(m.tokens());
  out.hidden = view_of(owner, m.hidden());
  return Message(std::move(out));
}

Result<Message> unpack(const wire::Token& m, const Owner&) {
  Token out{{m.epoch()}, {m.session()}, m.position(), m.token(), {}};
  if (count(m.logprobs()) > kTopLogprobsMax + 1) return corrupt("too many probabilities");
  for (size_t i = 0; i < count(m.logprobs()); ++i) {
    const auto* one = m.logprobs()->Get(flatbuffers::uoffset_t(i));
    out.logprobs.push_back({one->token(), one->logprob()});
  }
  if (m.embedding()) out.embedding.assign(m.embedding()->begin(), m.embedding()->end());
  return Message(std::move(out));
}
Result<Message> unpack(const wire::Close& m, const Owner&) {
  return Message(Close{{m.epoch()}, {m.session()}});
}
Result<Message> unpack(const wire::Refused& m, const Owner&) {
  Refused out{{m.epoch()}, {m.session()}, ErrorCode::kInternal, ""};
  WEFT_TRY(out.code, unpack_code(m.code()));
  WEFT_TRY(out.text, unpack_text(m.text(), kTextBytesMax));
  return Message(std::move(out));
}
Result<Message> unpack(const wire::ManifestRequest& m, const Owner&) {
  return Message(ManifestRequest{unpack_id<ModelId>(m.model())});
}
Result<Message> unpack(const wire::Manifest& m, const Owner&) {
  Manifest out{unpack_id<ModelId>(m.model()), m.file_bytes(), m.header_bytes(), {}};
  if (count(m.tensors()) > kTensorsMax) return corrupt("a manifest with too many tensors");
  for (size_t i = 0; i < count(m.tensors()); ++i) {
    out.tensors.push_back(unpack_id<Digest>(m.tensors()->Get(flatbuffers::uoffset_t(i))));
  }
  return Message(std::move(out));
}
Result<Message> unpack(const wire::Fetch& m, const Owner&) {
  Fetch out{unpack_id<ModelId>(m.model()), m.request(), m.offset(), m.size()};
  if (out.size == 0 || out.size > kPayloadBytesMax || out.offset > UINT64_MAX - out.size) {
    return corrupt("a fetch's range is out of range");
  }
  return Message(out);
}
Result<Message> unpack(const wire::Chunk& m, const Owner& owner) {
  Chunk out{unpack_id<ModelId>(m.model()), m.request(), m.offset(), view_of(owner, m.data()), ""};
  WEFT_TRY(out.error, unpack_text(m.error(), kTextBytesMax));
  if (out.data.size() > kPayloadBytesMax) return corrupt("a chunk is too large");
  return Message(std::move(out));
}
Result<Message> unpack(const wire::RosterUpdate& m, const Owner& owner) {
  return Message(RosterUpdate{view_of(owner, m.bytes())});
}
Result<Message> unpack(const wire::ErrorReport& m, const Owner&) {
  ErrorReport out;
  WEFT_TRY(out.code, unpack_code(m.code()));
  WEFT_TRY(out.text, unpack_text(m.text(), kTextBytesMax));
  return Message(std::move(out));
}

Result<Message> unpack_body(const wire::Frame& frame, const Owner& owner) {
  switch (frame.body_type()) {
#define WEFT_BODY(T) \
  case wire::Body_##T: return unpack(*frame.body_as_##T(), owner);
    WEFT_BODY(Hello) WEFT_BODY(Beat) WEFT_BODY(Profile) WEFT_BODY(LinkProbe) WEFT_BODY(Propose)
    WEFT_BODY(Ready) WEFT_BODY(Activate) WEFT_BODY(Stale) WEFT_BODY(Want) WEFT_BODY(Step)
    WEFT_BODY(Token) WEFT_BODY(Close) WEFT_BODY(Refused) WEFT_BODY(ManifestRequest)
    WEFT_BODY(Manifest) WEFT_BODY(Fetch) WEFT_BODY(Chunk) WEFT_BODY(RosterUpdate)
    WEFT_BODY(ErrorReport)
#undef WEFT_BODY
    default: return corrupt("a frame without a known body");
  }
}

constexpr flatbuffers::uoffset_t kDepthMax = 8;
// A Hello may name kAddressesMax peers, each a table, beside the frame and itself.
constexpr flatbuffers::uoffset_t kTablesMax = 64 + 8;
constexpr size_t kFrameBytesMin = 24;

// The widest field of the schema. The verifier checks alignment relative to the buffer's start.
constexpr size_t kFieldAlignment = 8;

// The frame itself if its memory is aligned for any field, as what libzmq receives is; else a copy.
SharedBytes aligned(SharedBytes frame) {
  if (reinterpret_cast<uintptr_t>(frame.view().data()) % kFieldAlignment == 0) return frame;
  return SharedBytes::adopt(Bytes(frame.view().begin(), frame.view().end()));
}

}  // namespace

Result<Frame> decode(SharedBytes frame) {
  if (frame.size() < kFrameBytesMin || frame.size() > kFrameBytesMax) {
    return Error(ErrorCode::kCorrupt, cat("a frame of ", frame.size(), " bytes; allowed are ",
                                          kFrameBytesMin, " to ", kFrameBytesMax));
  }
  frame = aligned(std::move(frame));
  const uint8_t* const data = frame.view().data();
  if (!wire::FrameBufferHasIdentifier(data)) return corrupt("not a frame of this protocol");
  flatbuffers::Verifier verifier(data, frame.size(), kDepthMax, kTablesMax);
  if (!wire::VerifyFrameBuffer(verifier)) return corrupt("a frame whose tables are malformed");
  const wire::Frame& wire_frame = *wire::GetFrame(data);
  if (wire_frame.version() != kProtocolVersion) {
    return Error(ErrorCode::kUnsupported,
                 cat("protocol version ", wire_frame.version(), ", this node speaks ",
                     kProtocolVersion, "; update the older of the two"));
  }
  if (!wire_frame.body()) return corrupt("a frame without a known body");
  WEFT_TRY(Message message, unpack_body(wire_frame, frame.owner()));
  return Frame{unpack_id<NodeId>(wire_frame.sender()), wire_frame.sequence(), std::move(message)};
}

}  // namespace weft::transport

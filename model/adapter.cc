#include "model/adapter.h"

#include <charconv>
#include <cmath>
#include <set>

#include "base/text.h"
#include "model/architecture.h"

namespace weft::model {
namespace {

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalid, std::move(message));
}
Error unsupported(std::string message) {
  return Error(ErrorCode::kUnsupported, std::move(message));
}

std::string shape_of(const GgufTensor* tensor) {
  return tensor == nullptr ? "missing" : shape_text(tensor->dims);
}

// Metadata that must be this text.
Result<> check_text(const GgufFile& file, std::string_view key, std::string_view wanted,
                    ErrorCode code) {
  WEFT_TRY(const std::string_view text, file.text(key));
  if (text == wanted) return {};
  return Error(code, cat(key, " is '", printable(text), "', it must be '", wanted, "'"));
}

Result<AdapterFile> read_adapter(const AdapterChoice& choice) {
  if (!std::isfinite(choice.scale)) return invalid("its scale must be a finite number");
  WEFT_TRY(GgufFile file, GgufFile::open(choice.path));
  const auto type = file.text("general.type");
  if (!type.ok() || *type != "adapter") {
    return unsupported(cat("it is no adapter: general.type is ",
                           type.ok() ? cat("'", printable(*type), "'") : "missing"));
  }
  WEFT_CHECK(check_text(file, "adapter.type", "lora", ErrorCode::kUnsupported));
  if (file.has("adapter.alora.invocation_tokens")) {
    return unsupported("it is an activated LoRA, which applies only after certain tokens; weft "
                       "applies an adapter to all tokens");
  }
  WEFT_TRY(const double alpha, file.f64("adapter.lora.alpha"));
  // Zero is no adapter by the formula, and "as it is" to some programs.
  if (!std::isfinite(alpha) || alpha == 0) {
    return Error(ErrorCode::kCorrupt,
                 cat("adapter.lora.alpha is ", alpha, "; it must be finite and not zero"));
  }
  return AdapterFile{std::move(file), choice.scale, alpha};
}

// Finds the pairs of an adapter, and keeps count of the tensors that were asked for.
class PairBinder {
 public:
  explicit PairBinder(const AdapterFile& from) : from_(from) {}

  // The pair for the model's tensor of this name and these dims; none if the adapter has none.
  Result<std::optional<AdapterPair>> find(const std::string& name,
                                          const std::vector<uint64_t>& dims) {
    const GgufTensor* a = take(name + ".lora_a");
    const GgufTensor* b = take(name + ".lora_b");
    if (a == nullptr && b == nullptr) return std::optional<AdapterPair>();
    if (dims.size() != 2 || !name.ends_with(".weight")) {
      return unsupported(cat("tensor ", name, " is ", shape_text(dims), ", its lora_a ",
                             shape_of(a), "; weft applies adapters to matrices, but not to those ",
                             "of experts, and to no vectors"));
    }
    const bool fits = a != nullptr && b != nullptr && a->dims.size() == 2 && b->dims.size() == 2 &&
                      a->dims[0] == dims[0] && b->dims[1] == dims[1] && b->dims[0] == a->dims[1];
    if (!fits) {
      return invalid(cat("tensor ", name, " is ", shape_text(dims), " (rows, columns), its lora_a ",
                         shape_of(a), ", its lora_b ", shape_of(b), "; they must be [rank, ",
                         dims[0], "] and [", dims[1], ", rank]"));
    }
    const uint64_t rank = a->dims[1];
    if (rank > kAdapterRankMax) {
      return invalid(cat("tensor ", name, ": rank ", rank, " is more than ", kAdapterRankMax));
    }
    const double factor = from_.scale * from_.alpha / double(rank);
    if (!std::isfinite(float(factor))) {
      return invalid(cat("scale ", from_.scale, " by alpha ", from_.alpha, " is too large"));
    }
    return std::optional(AdapterPair{a, b, float(factor)});
  }

  // What is left over would be left out silently.
  Result<> check_all_bound(const Model& model) const {
    for (const GgufTensor& tensor : from_.file.tensors()) {
      if (bound_.contains(&tensor)) continue;
      std::string_view base = tensor.name;
      if (!base.ends_with(".lora_a") && !base.ends_with(".lora_b")) {
        return unsupported(cat("tensor ", printable(tensor.name), " is no part of a pair"));
      }
      base.remove_suffix(std::string_view(".lora_a").size());
      const GgufTensor* named = model.file().find(base);
      if (named == nullptr) {
        return invalid(cat("tensor ", printable(tensor.name), " is ", shape_text(tensor.dims),
                           ", but the model has no tensor ", printable(base)));
      }
      return unsupported(cat("tensor ", printable(tensor.name), " is ", shape_text(tensor.dims),
                             "; weft applies no adapter to ", printable(base), ", which is ",
                             shape_text(named->dims)));
    }
    return {};
  }

 private:
  const GgufTensor* take(const std::string& name) {
    const GgufTensor* tensor = from_.file.find(name);
    if (tensor != nullptr) bound_.insert(tensor);
    return tensor;
  }

  const AdapterFile& from_;
  std::set<const GgufTensor*> bound_;
};

Result<Adapter> fit(const std::shared_ptr<const AdapterFile>& from, const Model& model) {
  const ModelConfig& config = model.config();
  WEFT_CHECK(check_text(from->file, "general.architecture", config.architecture,
                        ErrorCode::kInvalid));
  const Architecture& architecture = *find_architecture(config.architecture);
  const auto& network = config.expert_count > 0 ? architecture.experts : architecture.dense;

  Adapter adapter{from, {}, {}};
  PairBinder binder(*from);
  adapter.layers.resize(config.layer_count);
  for (uint32_t i = 0; i < config.layer_count; ++i) {
    for (const auto& roles : {architecture.attention, network, architecture.more}) {
      for (const auto& same : tensors_of(roles)) {
        WEFT_TRY(auto pair, binder.find(cat("blk.", i, ".", same[0].suffix),
                                        role_dims(config, same)));
        if (!pair) continue;
        for (const LayerRole& role : same) {
          pair->parts.push_back({role.member, uint32_t(side_length(config, role.rows))});
        }
        adapter.layers[i].push_back(*std::move(pair));
      }
    }
  }
  // A tied output is the token embedding, which would change as well.
  if (&model.output() != &model.token_embedding()) {
    WEFT_TRY(adapter.output, binder.find(model.output().name, model.output().dims));
  }
  WEFT_CHECK(binder.check_all_bound(model));
  if (adapter.pair_count() == 0) return invalid("it has no tensors");
  return adapter;
}

}  // namespace

Result<AdapterChoice> parse_adapter_choice(std::string_view text) {
  AdapterChoice choice{std::string(text)};
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    double scale = 0;
    const auto [end, error] = std::from_chars(&text[colon] + 1, text.data() + text.size(), scale);
    if (error != std::errc::invalid_argument && end == text.data() + text.size()) {
      const bool fits = error == std::errc();
      choice = {std::string(text.substr(0, colon)), fits ? float(scale) : INFINITY};
    }
  }
  if (choice.path.empty()) return invalid(cat("'", text, "' names no file"));
  if (!std::isfinite(choice.scale)) {
    return invalid(cat("'", text, "': the scale must be a finite number"));
  }
  return choice;
}

Result<std::shared_ptr<const AdapterFile>> open_adapter(const AdapterChoice& choice) {
  auto file = read_adapter(choice);
  if (!file.ok()) return std::move(file).error().within(cat("adapter ", choice.path));
  return std::make_shared<const AdapterFile>(*std::move(file));
}

size_t Adapter::pair_count() const {
  size_t count = output ? 1 : 0;
  for (const auto& layer : layers) count += layer.size();
  return count;
}

Result<std::shared_ptr<const Adapter>> fit_adapter(std::shared_ptr<const AdapterFile> from,
                                                   const Model& model) {
  auto adapter = fit(from, model);
  if (!adapter.ok()) {
    return std::move(adapter).error().within(
        cat("adapter ", from->file.path(), " does not fit ", model.file().path()));
  }
  return std::make_shared<const Adapter>(*std::move(adapter));
}

}  // namespace weft::model

#include "model/quantize_file.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "model/gguf_writer.h"
#include "model/quantize.h"

namespace weft::model {
namespace {

// Of a piece. A multiple of every block, and tensors are whole blocks: no piece cuts one.
constexpr uint64_t kPieceElements = 64 * 1024;
// general.quantization_version of the K-quants and all that followed.
constexpr uint32_t kQuantizationVersion = 2;

constexpr std::string_view kFileTypeKey = "general.file_type";
constexpr std::string_view kVersionKey = "general.quantization_version";
constexpr std::string_view kAlignmentKey = "general.alignment";

// One piece's room and result.
struct Piece {
  std::vector<float> values = std::vector<float>(kPieceElements);
  std::vector<float> decoded = std::vector<float>(kPieceElements);
  double error_squares = 0;
  double squares = 0;
};

bool all_finite(std::span<const float> values) {
  float odd = 0;  // x * 0 is no number if x is infinite or none
  for (const float value : values) odd += value * 0;
  return odd == 0;
}

class Quantizer {
 public:
  Quantizer(const QuantizeFileOptions& options, const GgufFile& file)
      : options_(options), file_(file), pieces_(std::max(1u, options.pieces)) {}

  Result<QuantizeSummary> run() {
    WEFT_TRY(types_, recipe_types(*options_.recipe, file_));
    declare();
    WEFT_CHECK(writer_.open(options_.output));
    for (size_t i = 0; i < types_.size(); ++i) {
      const GgufTensor& tensor = file_.tensors()[i];
      auto done = tensor.type == types_[i] ? copy(tensor) : quantize(tensor, types_[i]);
      if (!done.ok()) return std::move(done).within(cat("tensor ", tensor.name)).error();
    }
    if (file_.damaged()) return became_shorter();
    WEFT_CHECK(writer_.finish());
    summary_.input_bytes = file_.file_bytes();
    summary_.output_bytes = writer_.file_bytes();
    summary_.relative_error = squares_ > 0 ? std::sqrt(error_squares_ / squares_) : 0;
    return summary_;
  }

 private:
  void declare() {
    for (const GgufRawEntry& entry : file_.raw_entries()) {
      const bool own = entry.key == kFileTypeKey || entry.key == kVersionKey;
      if (!own && entry.key != kAlignmentKey) writer_.raw(entry.key, entry.typed_value);
    }
    writer_.u32(kFileTypeKey, options_.recipe->file_type);
    writer_.u32(kVersionKey, kQuantizationVersion);
    for (size_t i = 0; i < types_.size(); ++i) {
      const GgufTensor& tensor = file_.tensors()[i];
      writer_.tensor(tensor.name, types_[i], tensor.dims);
      QuantizedTypes& share = summary_.types[types_[i]];
      ++share.tensors;
      share.bytes += tensor_bytes(types_[i], tensor.elements);
      summary_.elements += tensor.elements;
      total_bytes_ += tensor.bytes;
    }
  }

  Error became_shorter() const {
    return Error(ErrorCode::kCorrupt, cat(printable(file_.path()),
                                          " became shorter while it was read; is it still being "
                                          "copied? Begin again when it is whole"));
  }

  // After `part` of the input has been dealt with.
  Result<> advance(ByteView part) {
    file_.forget(part);
    done_bytes_ += part.size();
    if (file_.damaged()) return became_shorter();
    if (options_.progress && !options_.progress(done_bytes_, total_bytes_)) {
      return Error(ErrorCode::kCancelled, cat("cancelled after ", format_bytes(done_bytes_), " of ",
                                              format_bytes(total_bytes_)));
    }
    return {};
  }

  Result<> copy(const GgufTensor& tensor) {
    const ByteView data = file_.data(tensor);
    constexpr uint64_t kStep = kPieceElements * sizeof(float);
    for (uint64_t at = 0; at < data.size(); at += kStep) {
      const ByteView part = data.subspan(at, std::min<uint64_t>(kStep, data.size() - at));
      WEFT_CHECK(writer_.write(part));
      WEFT_CHECK(advance(part));
    }
    return {};
  }

  Result<> quantize(const GgufTensor& tensor, TensorType type) {
    const ByteView data = file_.data(tensor);
    const uint64_t run_elements = kPieceElements * pieces_.size();
    for (uint64_t at = 0; at < tensor.elements; at += run_elements) {
      const uint64_t elements = std::min(run_elements, tensor.elements - at);
      const ByteView part =
          data.subspan(tensor_bytes(tensor.type, at), tensor_bytes(tensor.type, elements));
      out_.resize(tensor_bytes(type, elements));
      const uint32_t count = uint32_t((elements + kPieceElements - 1) / kPieceElements);
      options_.run(count, [&](uint32_t piece) {
        const uint64_t first = piece * kPieceElements;
        work(tensor.type, part, type, first, std::min(kPieceElements, elements - first),
             pieces_[piece]);
      });
      for (uint32_t piece = 0; piece < count; ++piece) {
        if (std::isnan(pieces_[piece].squares)) {
          return Error(ErrorCode::kCorrupt,
                       cat("there are values that are no finite numbers among elements ",
                           at + piece * kPieceElements,
                           " and following; the file is damaged, or "
                           "its weights do not fit its type"));
        }
        error_squares_ += pieces_[piece].error_squares;
        squares_ += pieces_[piece].squares;
      }
      WEFT_CHECK(writer_.write(out_));
      WEFT_CHECK(advance(part));
    }
    return {};
  }

  // Elements [first, first + count) of `part` to their place in out_. Any thread.
  void work(TensorType from, ByteView part, TensorType to, uint64_t first, uint64_t count,
            Piece& piece) {
    const std::span<float> values = std::span(piece.values).first(count);
    const std::span<float> decoded = std::span(piece.decoded).first(count);
    dequantize(from, part.subspan(tensor_bytes(from, first), tensor_bytes(from, count)), values);
    piece.squares = piece.error_squares = 0;
    if (!all_finite(values)) {
      piece.squares = std::numeric_limits<double>::quiet_NaN();
      return;
    }
    const std::span<uint8_t> out =
        std::span(out_).subspan(tensor_bytes(to, first), tensor_bytes(to, count));
    quantize_into(to, values, out);
    dequantize(to, out, decoded);
    for (uint64_t i = 0; i < count; ++i) {
      const double error = double(decoded[i]) - values[i];
      piece.error_squares += error * error;
      piece.squares += double(values[i]) * values[i];
    }
  }

  const QuantizeFileOptions& options_;
  const GgufFile& file_;
  GgufWriter writer_;
  std::vector<TensorType> types_;
  std::vector<Piece> pieces_;
  Bytes out_;
  QuantizeSummary summary_;
  double error_squares_ = 0, squares_ = 0;
  uint64_t done_bytes_ = 0, total_bytes_ = 0;
};

}  // namespace

Result<QuantizeSummary> quantize_file(const QuantizeFileOptions& options) {
  WEFT_ASSERT(options.recipe != nullptr && options.run != nullptr);
  WEFT_TRY(const GgufFile file, GgufFile::open(options.input));
  return Quantizer(options, file).run();
}

}  // namespace weft::model

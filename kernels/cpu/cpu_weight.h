// CpuWeight: a tensor in the cpu's layout: panels for products, the file's rows for look-ups. A
// type that panels have no layout for is kept as one that they have: repack.h.
#pragma once

#include <memory>
#include <span>

#include "kernels/backend.h"
#include "kernels/cpu/mapped_memory.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/thread_pool.h"

namespace weft::kernels {

class CpuWeight final : public Weight {
 public:
  // Copies the tensor in, repacking on all threads of the pool. A look-up tensor of one row (a
  // norm) becomes F32. With `twins`, panels are in pairs (panel.h), the last one with zeros if
  // need be. kInvalid if type, shape and data do not fit, kExhausted without memory.
  static Result<std::unique_ptr<CpuWeight>> load(const TensorView& tensor, WeightUse use,
                                                 ThreadPool& pool, bool twins);

  uint64_t bytes() const override { return memory_.size(); }
  // What it is kept as.
  model::TensorType type() const { return type_; }
  bool has_panels() const { return panel_bytes_ != 0; }

  // Only with panels: what products read, panels or twins.
  uint32_t panel_rows() const { return twins_ ? kTwinRows : kPanelRows; }
  uint64_t panel_bytes() const { return panel_bytes_; }
  const uint8_t* panel(uint32_t index) const { return memory_.data() + index * panel_bytes_; }
  // Values of a look-up tensor of type F32, [rows * cols].
  std::span<const float> values() const;
  // Decodes one row to f32; out is [cols]. From panels too: the same bits as from rows. `scratch`
  // holds a row of blocks: row_bytes().
  void read_row(uint32_t row, std::span<float> out, std::span<uint8_t> scratch) const;
  uint64_t row_bytes() const { return row_bytes_; }

 private:
  CpuWeight(const TensorView& tensor, uint64_t row_bytes, bool twins)
      : Weight(tensor.rows, tensor.cols), type_(tensor.type), row_bytes_(row_bytes),
        twins_(twins) {}
  void keep_as(model::TensorType type);
  Result<> load_panels(const TensorView& tensor, ThreadPool& pool);
  Result<> load_rows(const TensorView& tensor, ThreadPool& pool);
  Result<> load_vector(ByteView data);

  model::TensorType type_;
  uint64_t row_bytes_;
  const bool twins_;
  uint64_t panel_bytes_ = 0;  // 0: the file's rows
  MappedMemory memory_;
};

}  // namespace weft::kernels

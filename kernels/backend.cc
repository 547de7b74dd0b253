#include "kernels/backend.h"

#include "base/text.h"

namespace weft::kernels {

Result<uint64_t> row_bytes_of(const TensorView& tensor) {
  const model::TensorTypeInfo& info = model::tensor_type_info(tensor.type);
  if (tensor.rows == 0 || tensor.cols == 0 || tensor.cols % info.block_elements != 0) {
    return Error(ErrorCode::kInvalid,
                 cat("a ", info.name, " tensor of ", tensor.rows, " x ", tensor.cols,
                     " values: rows must hold whole blocks of ", info.block_elements));
  }
  const uint64_t row_bytes = uint64_t{tensor.cols / info.block_elements} * info.block_bytes;
  if (tensor.data.size() % row_bytes != 0 || tensor.data.size() / row_bytes != tensor.rows) {
    return Error(ErrorCode::kInvalid,
                 cat("a ", info.name, " tensor of ", tensor.rows, " x ", tensor.cols,
                     " values cannot have ", tensor.data.size(), " bytes"));
  }
  return row_bytes;
}

}  // namespace weft::kernels

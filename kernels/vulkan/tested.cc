#include "kernels/vulkan/tested.h"

#include "base/log.h"

namespace weft::kernels {

Result<std::unique_ptr<VulkanBackend>> create_tested(
    VulkanOptions options, const std::function<Result<>(Backend&)>& test) {
  WEFT_TRY(auto backend, VulkanBackend::create(options));
  auto tested = test(*backend);
  if (!tested.ok() && backend->device().matrices().bytes) {
    log_warn("vulkan.matrices_unused", {{"error", tested.error().message}});
    options.matrices = VulkanOptions::Matrices::kNever;
    backend.reset();
    WEFT_TRY(backend, VulkanBackend::create(options));
    tested = test(*backend);
  }
  WEFT_CHECK(tested);
  return backend;
}

}  // namespace weft::kernels

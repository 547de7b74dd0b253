#include "node/backend_choice.h"

#include <CLI/CLI.hpp>

#include "base/text.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/self_test.h"
#include "kernels/vulkan/backend.h"

namespace weft::node {

void add_backend_options(CLI::App* command, BackendChoice& choice) {
  command->add_option("--backend", choice.name, "auto, cpu, vulkan or reference")
      ->capture_default_str();
  command->add_option("--vulkan-device", choice.vulkan_device,
                      "for --backend vulkan: its number, or a part of its name");
  command->add_option("-t,--threads", choice.threads, "0: one per core")
      ->check(CLI::Range(0u, kernels::kPoolThreadsMax));
}

Result<std::unique_ptr<kernels::Backend>> make_backend(const BackendChoice& choice) {
  if (choice.name == "auto" || choice.name == "cpu") {
    return kernels::make_cpu_backend({choice.threads, false});
  }
  if (choice.name == "reference") return kernels::make_reference_backend();
  if (choice.name == "vulkan") {
    WEFT_TRY(std::unique_ptr<kernels::Backend> backend,
             kernels::VulkanBackend::create({.device = choice.vulkan_device}));
    WEFT_CHECK(kernels::self_test(*backend));
    return backend;
  }
  return Error(ErrorCode::kInvalid,
               cat("'", choice.name, "' is no backend; use auto, cpu, vulkan or reference"));
}

}  // namespace weft::node

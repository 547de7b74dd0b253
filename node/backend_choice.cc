#include "node/backend_choice.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/text.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/vulkan/tested.h"

namespace weft::node {
namespace {

// What can be made again: the XDG base directory specification's place for it.
std::string cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/') {
    return cat(cache, "/weft");
  }
  const char* home = std::getenv("HOME");
  return home && *home ? cat(home, "/.cache/weft") : "";
}

}  // namespace

void add_backend_options(CLI::App* command, BackendChoice& choice) {
  command->add_option("--backend", choice.name, "auto, cpu, vulkan or reference")
      ->capture_default_str();
  command->add_option("--vulkan-device", choice.vulkan_device,
                      "for --backend vulkan: its number, or a part of its name");
  command->add_option("-t,--threads", choice.threads, "0: one per core")
      ->check(CLI::Range(0u, kernels::kPoolThreadsMax));
}

nlohmann::ordered_json vulkan_device_json(const kernels::VulkanDeviceInfo& device) {
  return {{"index", device.index},
          {"name", device.name},
          {"kind", kernels::vulkan_device_kind_name(device.kind)},
          {"driver", device.driver},
          {"memory_bytes", device.memory_bytes},
          {"cooperative_matrices", device.cooperative_matrices}};
}

nlohmann::ordered_json vulkan_devices_json() {
  auto list = nlohmann::ordered_json::array();
  const auto devices = kernels::list_vulkan_devices();
  if (!devices.ok()) return list;
  for (const kernels::VulkanDeviceInfo& device : *devices) {
    list.push_back(vulkan_device_json(device));
  }
  return list;
}

Result<std::unique_ptr<kernels::Backend>> make_backend(const BackendChoice& choice) {
  if (choice.name == "auto" || choice.name == "cpu") {
    return kernels::make_cpu_backend({choice.threads, false});
  }
  if (choice.name == "reference") return kernels::make_reference_backend();
  if (choice.name == "vulkan") {
    kernels::VulkanOptions options;
    options.device = choice.vulkan_device;
    options.cache_folder = cache_folder();
    options.lost = choice.vulkan_lost;
    WEFT_TRY(std::unique_ptr<kernels::Backend> backend, kernels::create_tested(options));
    return backend;
  }
  return Error(ErrorCode::kInvalid,
               cat("'", choice.name, "' is no backend; use auto, cpu, vulkan or reference"));
}

}  // namespace weft::node

#include "node/backend_choice.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/log.h"
#include "base/text.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/vulkan/tested.h"
#include "node/profile.h"

namespace weft::node {
namespace {

// A GPU must read weights so much faster than the processor: each operation costs it more besides.
constexpr double kFasterEnough = 1.25;

// What can be made again: the XDG base directory specification's place for it.
std::string cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/') {
    return cat(cache, "/weft");
  }
  const char* home = std::getenv("HOME");
  return home && *home ? cat(home, "/.cache/weft") : "";
}

Result<std::unique_ptr<kernels::Backend>> make_processor(const BackendChoice& choice) {
  return kernels::make_cpu_backend({choice.threads, false});
}

Result<std::unique_ptr<kernels::Backend>> make_vulkan(const BackendChoice& choice) {
  kernels::VulkanOptions options;
  options.device = choice.vulkan_device;
  options.only_gpus = choice.name == "auto";
  options.cache_folder = cache_folder();
  options.lost = choice.vulkan_lost;
  WEFT_TRY(std::unique_ptr<kernels::Backend> backend, kernels::create_tested(options));
  return backend;
}

// A GPU that fails is as good as none, but one that was named must be there.
Result<std::unique_ptr<kernels::Backend>> make_auto(const BackendChoice& choice) {
  WEFT_TRY(auto processor, make_processor(choice));
  AutoFindings found;
  auto device = make_vulkan(choice);
  const ErrorCode code = device.ok() ? ErrorCode::kInternal : device.error().code;
  const bool absent = code == ErrorCode::kNotFound || code == ErrorCode::kUnsupported;
  if (device.ok()) {
    found.device = (*device)->detail();
    WEFT_TRY(found.processor_speed, measure_decode_speed(*processor));
    const auto measured = measure_decode_speed(**device);
    found.device_speed = measured.ok() ? *measured : 0;
    if (!measured.ok()) found.trouble = cat(found.device, ": ", measured.error().message);
  } else if (absent && !choice.vulkan_device.empty()) {
    return device;
  } else {
    found.trouble = device.error().message;
  }
  const AutoDecision decision = decide_auto(found);
  log_info("backend.auto",
           {{"chosen", decision.gpu ? "vulkan" : "cpu"}, {"why", decision.why}});
  return decision.gpu ? std::move(device) : std::move(processor);
}

}  // namespace

void add_backend_options(CLI::App* command, BackendChoice& choice) {
  command->add_option("--backend", choice.name,
                      "auto (a GPU that is faster than the processor, else that), cpu, vulkan or "
                      "reference")
      ->capture_default_str();
  command->add_option("--vulkan-device", choice.vulkan_device,
                      "its number, or a part of its name");
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
  if (choice.name == "auto") return make_auto(choice);
  if (choice.name == "cpu") return make_processor(choice);
  if (choice.name == "reference") return kernels::make_reference_backend();
  if (choice.name == "vulkan") return make_vulkan(choice);
  return Error(ErrorCode::kInvalid,
               cat("'", choice.name, "' is no backend; use auto, cpu, vulkan or reference"));
}

AutoDecision decide_auto(const AutoFindings& found) {
  if (found.device.empty() || !found.trouble.empty()) return {false, found.trouble};
  return {found.device_speed >= kFasterEnough * found.processor_speed,
          cat(found.device, " reads weights at ", format_bytes(uint64_t(found.device_speed)),
              "/s, the processor at ", format_bytes(uint64_t(found.processor_speed)), "/s")};
}

Result<> load_with(std::unique_ptr<kernels::Backend>& backend, const BackendChoice& choice,
                   const std::function<Result<>(kernels::Backend&)>& load) {
  auto loaded = load(*backend);
  if (loaded.ok() || loaded.error().code != ErrorCode::kExhausted || choice.name != "auto" ||
      backend->name() == "cpu") {
    return loaded;
  }
  log_info("backend.auto", {{"chosen", "cpu"}, {"why", loaded.error().message}});
  WEFT_TRY(backend, make_processor(choice));
  return load(*backend);
}

}  // namespace weft::node

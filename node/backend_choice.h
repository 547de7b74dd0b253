// Which backend computes: `--backend`, `--threads`, `--vulkan-device`.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "kernels/backend.h"
#include "kernels/vulkan/device.h"

namespace CLI {
class App;
}

namespace weft::node {

struct BackendChoice {
  std::string name = "auto";                // auto, cpu, vulkan or reference
  uint32_t threads = 0;                     // of the processor; 0: one per core
  std::string vulkan_device;                // index or part of a name; empty: the best GPU
  std::shared_ptr<const std::atomic<bool>> vulkan_lost;  // for tests: the device is, once it is set
};

// Adds the options, which fill `choice`; it must outlive the parsing.
void add_backend_options(CLI::App* command, BackendChoice& choice);

// kInvalid for a name that is none, kNotFound or kUnsupported where Vulkan finds no such device.
// `auto` logs what was chosen and why (backend.auto).
Result<std::unique_ptr<kernels::Backend>> make_backend(const BackendChoice& choice);

// What `auto` has found out, and what follows from it.
struct AutoFindings {
  std::string device;   // the GPU that could compute; empty: none
  std::string trouble;  // why none can
  double device_speed = 0, processor_speed = 0;  // as measure_decode_speed has them
};
struct AutoDecision {
  bool gpu = false;
  std::string why;
};
AutoDecision decide_auto(const AutoFindings& found);

// Loads with the backend that was made of the choice. Where `auto` chose a GPU, and its memory is
// not enough (kExhausted), the processor takes its place and loads.
Result<> load_with(std::unique_ptr<kernels::Backend>& backend, const BackendChoice& choice,
                   const std::function<Result<>(kernels::Backend&)>& load);

nlohmann::ordered_json vulkan_device_json(const kernels::VulkanDeviceInfo& device);

// This machine's Vulkan devices, as --vulkan-device counts and names them; empty without a driver.
nlohmann::ordered_json vulkan_devices_json();

}  // namespace weft::node

// Which backend computes: `--backend`, `--threads`, `--vulkan-device`.
#pragma once

#include <atomic>
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
Result<std::unique_ptr<kernels::Backend>> make_backend(const BackendChoice& choice);

nlohmann::ordered_json vulkan_device_json(const kernels::VulkanDeviceInfo& device);

// This machine's Vulkan devices, as --vulkan-device counts and names them; empty without a driver.
nlohmann::ordered_json vulkan_devices_json();

}  // namespace weft::node

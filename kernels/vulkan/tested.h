// A backend that has computed known answers rightly (kernels/self_test.h), as a node uses it.
#pragma once

#include <functional>

#include "kernels/self_test.h"
#include "kernels/vulkan/backend.h"

namespace weft::kernels {

// Without the device's cooperative matrices where the test fails with them: they are new in many
// drivers, and what they do can be done without. The error is that of the last test.
Result<std::unique_ptr<VulkanBackend>> create_tested(
    VulkanOptions options, const std::function<Result<>(Backend&)>& test = self_test);

}  // namespace weft::kernels

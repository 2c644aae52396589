#include "tests/model/torch/test_device.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "model/torch/torch_model_runner.h"

namespace perennial {
namespace {

std::string ReadDevice() {
  const char* const named = std::getenv("PERENNIAL_TEST_DEVICE");
  const std::string device = named == nullptr || *named == '\0' ? "cpu" : named;
  if (absl::StartsWith(device, "cuda")) {
    const absl::Status loaded = LoadTorchCuda();
    if (!loaded.ok()) std::fprintf(stderr, "PERENNIAL_TEST_DEVICE: %s\n", std::string(loaded.message()).c_str());
  }
  return device;
}

// A test that runs earlier and uses torch without a device would keep CUDA out for good: loaded before main, it cannot.
[[maybe_unused]] const std::string& loaded_before_main = TestDevice();

}  // namespace

const std::string& TestDevice() {
  static const std::string* const device = new std::string(ReadDevice());
  return *device;
}

}  // namespace perennial

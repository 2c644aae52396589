// The ModelRunner that decodes real models, with libtorch, on a CPU or on CUDA.
//
// This header includes no torch header, on purpose: it may be seen together with gRPC's, whose macros collide with
// torch's. Everything else in this folder is behind it.

#ifndef PERENNIAL_MODEL_TORCH_TORCH_MODEL_RUNNER_H_
#define PERENNIAL_MODEL_TORCH_TORCH_MODEL_RUNNER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/model_runner.h"

namespace perennial {

// As cache_memory_bytes, on CUDA only: a quarter of the memory that the GPU has free before the weights are loaded.
inline constexpr int64_t kQuarterOfFreeMemory = 0;

struct TorchOptions {
  std::string device = "cpu";  // "cpu", "cuda" (the first GPU) or "cuda:N"

  // Type of linear layers and caches: "float32", "bfloat16", "float16" (CUDA only), or "auto": bfloat16 on CUDA and
  // where the processor multiplies it in hardware (AMX or AVX512-BF16), else float32.
  std::string dtype = "auto";

  int64_t cache_memory_bytes = int64_t{2} << 30;  // allocated once, for all caches together; see kQuarterOfFreeMemory
  int32_t max_tokens_per_step = 512;              // over all inputs of a batch

  // Accepts caches larger than the length the model was trained for: distances inside such a cache are distances that
  // the model has never seen.
  bool allow_untrained_length = false;

  int32_t num_threads = 0;  // for CPU kernels; 0: libtorch's choice (all processors that it sees)
};

// Makes CUDA available if libtorch's CUDA library can be loaded. Call it first in main, before anything uses torch, and
// only if a CUDA device is asked for. NOT_FOUND with the loader's reason if it cannot be loaded; nothing is changed
// then.
absl::Status LoadTorchCuda();

// Device memory that is in use on "cuda" or "cuda:N", by all programs, in bytes; 0 on the CPU, or if the device does
// not say. A stream that grows would show here.
int64_t DeviceBytesInUse(const std::string& device);

// Loads the weights and allocates the cache memory. The checkpoint is not needed afterwards.
//
// INVALID_ARGUMENT names the option, or the tensor that is broken; FAILED_PRECONDITION: the device is not there;
// RESOURCE_EXHAUSTED: weights or cache memory do not fit.
//
// The runner is for one thread at a time (the engine's), which need not be the one that created it.
absl::StatusOr<std::unique_ptr<ModelRunner>> CreateTorchModelRunner(const Checkpoint& checkpoint,
                                                                    const TorchOptions& options);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TORCH_TORCH_MODEL_RUNNER_H_

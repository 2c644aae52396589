#include "model/torch/torch_model_runner.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/torch/attention_plan.h"
#include "model/torch/compute_choice.h"
#include "model/torch/decoder_network.h"
#include "model/torch/kv_cache_pool.h"
#include "model/torch/step_tensors.h"
#include "model/torch/torch_kv_cache.h"
#include "model/torch/weights.h"

namespace perennial {
namespace {

constexpr int64_t kMaxPosition = int64_t{1} << 52;  // a double still counts tokens one by one here

// OpenMP's thread count belongs to the calling thread, so it is set on whichever thread calls.
void UseThreads(int32_t num_threads) {
  thread_local int32_t in_use = 0;
  if (num_threads == 0 || in_use == num_threads) return;
  at::set_num_threads(num_threads);
  in_use = num_threads;
}

// Runs `body` without autograd; what libtorch throws becomes a status. `body` returns a Status or StatusOr.
template <typename Body>
auto WithTorch(int32_t num_threads, Body body) -> decltype(body()) {
  try {
    UseThreads(num_threads);
    c10::InferenceMode inference;
    return body();
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(absl::StrCat("out of device memory: ", error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    const std::vector<std::string> lines = absl::StrSplit(error.what_without_backtrace(), absl::MaxSplits('\n', 1));
    return absl::InternalError(absl::StrCat("libtorch: ", lines[0]));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  }
}

class TorchModelRunner final : public ModelRunner {
 public:
  TorchModelRunner(DecoderNetwork network, std::unique_ptr<KvCachePool> pool, const RunnerLimits& limits,
                   bool allow_untrained_length, int32_t num_threads)
      : network_(std::move(network)),
        pool_(std::move(pool)),
        limits_(limits),
        allow_untrained_length_(allow_untrained_length),
        num_threads_(num_threads) {}

  const RunnerLimits& limits() const override { return limits_; }

  std::string Description() const override {
    std::string text = absl::StrCat("torch ", network_.device().str(), " ", DtypeName(network_.dtype()));
    if (network_.device().is_cpu())
      absl::StrAppend(&text, ", ", num_threads_, num_threads_ == 1 ? " thread" : " threads");
    return text;
  }

  int64_t CacheBytes(const CacheShape& shape) const override {
    return KvCachePool::BlocksFor(shape.capacity()) * pool_->block_bytes();
  }

  int64_t FreeCacheBytes() const override { return pool_->num_free_blocks() * pool_->block_bytes(); }

  absl::StatusOr<std::unique_ptr<KvCache>> NewCache(const CacheShape& shape) override {
    absl::Status valid = CheckShape(shape);
    if (!valid.ok()) return valid;
    return WithTorch(num_threads_, [&]() -> absl::StatusOr<std::unique_ptr<KvCache>> {
      auto blocks = pool_->Take(shape.capacity());
      if (!blocks.ok()) return blocks.status();
      return std::make_unique<TorchKvCache>(this, shape, *std::move(blocks));
    });
  }

  absl::Status Step(absl::Span<const StepInput> batch, StepOutput& output) override {
    absl::Status valid = CheckBatch(batch);
    if (!valid.ok()) return valid;
    return WithTorch(num_threads_, [&] { return RunStep(batch, output); });
  }

  absl::Status Truncate(KvCache& cache, int64_t t) override {
    auto own = Own(cache);
    if (!own.ok()) return own.status();
    if (t < 0 || t > cache.num_tokens()) {
      return absl::InvalidArgumentError(
          absl::StrCat("truncate to ", t, " tokens; the stream has ", cache.num_tokens(), ": it must be 0 … that"));
    }
    (*own)->Truncate(t);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<KvCache>> Clone(const KvCache& cache) override {
    auto own = Own(cache);
    if (!own.ok()) return own.status();
    return WithTorch(num_threads_, [&]() -> absl::StatusOr<std::unique_ptr<KvCache>> {
      const CacheShape& shape = cache.shape();
      auto blocks = pool_->Take(shape.capacity());
      if (!blocks.ok()) return blocks.status();
      auto copy = std::make_unique<TorchKvCache>(this, shape, *std::move(blocks));
      at::Tensor rows = pool_->rows();
      const at::Tensor from = (*own)->blocks().RowIndex(0, shape.capacity());
      rows.index_copy_(3, copy->blocks().RowIndex(0, shape.capacity()), rows.index_select(3, from));
      copy->CopyState(**own);
      return copy;
    });
  }

  int64_t ExportBytes(const KvCache&, int32_t num_slots) const override {
    return std::max(num_slots, 0) * pool_->layout().slot_bytes();
  }

  // Layout of the bytes: [layers, 2, kv_heads, num_slots, head_size] in the cache's type.
  absl::Status Export(const KvCache& cache, int32_t first_slot, int32_t num_slots,
                      absl::Span<std::byte> bytes) override {
    auto own = Own(cache);
    if (!own.ok()) return own.status();
    absl::Status valid = CheckSlots(cache, first_slot, num_slots, bytes.size());
    if (!valid.ok() || num_slots == 0) return valid;
    return WithTorch(num_threads_, [&] {
      const at::Tensor index = (*own)->blocks().RowIndex(first_slot, num_slots);
      at::Tensor target = at::from_blob(bytes.data(), {static_cast<int64_t>(bytes.size())}, at::kByte);
      target.copy_(pool_->rows().index_select(3, index).view(at::kByte).view({-1}));
      return absl::OkStatus();
    });
  }

  absl::Status Import(KvCache& cache, int32_t first_slot, int32_t num_slots, absl::Span<const std::byte> bytes,
                      int64_t num_tokens, int32_t num_notes) override {
    auto own = Own(cache);
    if (!own.ok()) return own.status();
    absl::Status valid = CheckSlots(cache, first_slot, num_slots, bytes.size());
    if (!valid.ok()) return valid;
    if (num_tokens < 0 || num_tokens > kMaxPosition || num_notes < 0 || num_notes > cache.shape().note_tokens) {
      return absl::InvalidArgumentError(absl::StrCat("import of ", num_tokens, " tokens and ", num_notes,
                                                     " notes; they must be 0 … ", kMaxPosition, " and 0 … ",
                                                     cache.shape().note_tokens));
    }
    return WithTorch(num_threads_, [&] {
      if (num_slots > 0) {
        const SlotLayout& layout = pool_->layout();
        // from_blob wants a mutable pointer; the bytes are only read. The device's copy is aligned, they may not be.
        at::Tensor source =
            at::from_blob(const_cast<std::byte*>(bytes.data()), {static_cast<int64_t>(bytes.size())}, at::kByte)
                .to(at::TensorOptions(at::kByte).device(network_.device()), /*non_blocking=*/false,
                    /*copy=*/true)
                .view(layout.dtype)
                .view({layout.num_layers, 2, layout.num_kv_heads, num_slots, layout.head_size});
        at::Tensor rows = pool_->rows();
        rows.index_copy_(3, (*own)->blocks().RowIndex(first_slot, num_slots), source);
      }
      (*own)->RestoreState(num_tokens, num_notes);
      return absl::OkStatus();
    });
  }

 private:
  // The cache as this runner's own type; INVALID_ARGUMENT if another runner made it.
  absl::StatusOr<TorchKvCache*> Own(const KvCache& cache) const {
    const auto* own = dynamic_cast<const TorchKvCache*>(&cache);
    if (own == nullptr || own->owner() != this) return absl::InvalidArgumentError("the cache is another runner's");
    return const_cast<TorchKvCache*>(own);  // the runner owns the memory; constness is the caller's view of the stream
  }

  absl::Status CheckShape(const CacheShape& shape) const {
    absl::Status valid = ValidateCacheShape(shape, std::numeric_limits<int32_t>::max());
    if (!valid.ok()) return valid;
    if (!allow_untrained_length_ && shape.capacity() > limits_.trained_tokens) {
      return absl::InvalidArgumentError(absl::StrCat("cache of ", shape.capacity(),
                                                     " tokens; the model was trained for ", limits_.trained_tokens,
                                                     " (allow_untrained_length accepts more)"));
    }
    return ValidateCacheShape(shape, limits_.max_cache_tokens);
  }

  absl::Status CheckSlots(const KvCache& cache, int32_t first_slot, int32_t num_slots, size_t num_bytes) const {
    const int32_t capacity = cache.shape().capacity();
    if (first_slot < 0 || num_slots < 0 || first_slot > capacity || num_slots > capacity - first_slot) {
      return absl::InvalidArgumentError(
          absl::StrCat(num_slots, " slots from slot ", first_slot, "; the cache has ", capacity));
    }
    const int64_t expected = ExportBytes(cache, num_slots);
    if (num_bytes != static_cast<size_t>(expected)) {
      return absl::InvalidArgumentError(
          absl::StrCat(num_bytes, " bytes given for ", num_slots, " slots, which have ", expected));
    }
    return absl::OkStatus();
  }

  // What ValidateBatch leaves to the runner: whose cache it is, and what was overwritten in it.
  absl::Status CheckBatch(absl::Span<const StepInput> batch) const {
    absl::Status valid = ValidateBatch(batch, limits_);
    for (size_t i = 0; valid.ok() && i < batch.size(); ++i) {
      auto own = Own(*batch[i].cache);
      valid = own.ok() ? (*own)->CheckWindowBegin(batch[i].window_begin) : own.status();
      if (valid.ok() && batch[i].cache->num_tokens() > kMaxPosition) {
        valid =
            absl::InvalidArgumentError(absl::StrCat("the stream has reached its limit of ", kMaxPosition, " tokens"));
      }
      if (!valid.ok()) valid = absl::InvalidArgumentError(absl::StrCat("input ", i, ": ", valid.message()));
    }
    return valid;
  }

  absl::Status RunStep(absl::Span<const StepInput> batch, StepOutput& output) {
    std::vector<PlannedInput> planned;
    std::vector<int64_t> logit_rows;  // rows of the step whose logits are asked for
    output.vocab_size = limits_.vocab_size;
    output.first_row.clear();
    int64_t num_rows = 0;
    for (const StepInput& input : batch) {
      output.first_row.push_back(logit_rows.size());
      const int64_t count = static_cast<int64_t>(input.tokens.size());
      if (count == 0) continue;  // notes being cleared
      planned.push_back(Plan(input));
      const int64_t wanted = input.rows == LogitRows::kAll ? count : input.rows == LogitRows::kLast ? 1 : 0;
      for (int64_t row = count - wanted; row < count; ++row) logit_rows.push_back(num_rows + row);
      num_rows += count;
    }
    output.logits.resize(logit_rows.size() * static_cast<size_t>(limits_.vocab_size));

    if (num_rows > 0) {
      const StepTensors step = MakeStepTensors(planned, network_.ropes(), network_.device());
      const at::Tensor hidden = network_.Forward(step, *pool_);
      if (!logit_rows.empty()) {
        const at::Tensor index = at::tensor(logit_rows, at::kLong).to(network_.device());
        const bool all = static_cast<int64_t>(logit_rows.size()) == num_rows;
        at::Tensor target = at::from_blob(output.logits.data(),
                                          {static_cast<int64_t>(logit_rows.size()), limits_.vocab_size}, at::kFloat);
        target.copy_(network_.Logits(all ? hidden : hidden.index_select(0, index)));
      }
    }
    for (const StepInput& input : batch) {
      auto* cache = static_cast<TorchKvCache*>(input.cache);
      if (input.part == Part::kNotes) {
        cache->set_num_notes(static_cast<int32_t>(input.tokens.size()));
      } else {
        cache->Append(static_cast<int64_t>(input.tokens.size()));
      }
    }
    return absl::OkStatus();
  }

  PlannedInput Plan(const StepInput& input) const {
    const auto* cache = static_cast<const TorchKvCache*>(input.cache);
    const CacheShape& shape = cache->shape();
    const int32_t num_tokens = static_cast<int32_t>(input.tokens.size());
    PlannedInput planned = {&cache->blocks(), shape.capacity(), input.tokens, {}};
    for (const PlanOptions& view : network_.views()) {
      planned.plans.push_back(input.part == Part::kNotes ? PlanNotes(shape, cache->num_tokens(), num_tokens, view)
                                                         : PlanStream(shape, cache->num_tokens(), cache->num_notes(),
                                                                      input.window_begin, view));
    }
    return planned;
  }

  const DecoderNetwork network_;
  const std::unique_ptr<KvCachePool> pool_;
  const RunnerLimits limits_;
  const bool allow_untrained_length_;
  const int32_t num_threads_;
};

absl::Status CheckOptions(const TorchOptions& options, at::Device device) {
  const int64_t least = device.is_cuda() ? kQuarterOfFreeMemory : 1;
  if (options.cache_memory_bytes < least) {
    return absl::InvalidArgumentError(
        absl::StrCat("cache_memory_bytes is ", options.cache_memory_bytes, "; it must be at least ", least));
  }
  if (options.max_tokens_per_step < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens_per_step is ", options.max_tokens_per_step, "; it must be at least 1"));
  }
  constexpr int32_t kMaxThreads = 1024;
  if (options.num_threads < 0 || options.num_threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_threads is ", options.num_threads, "; it must be 0 … ", kMaxThreads));
  }
  return absl::OkStatus();
}

// Throws c10::Error if the GPU does not say how much memory it has free.
int64_t CacheMemoryBytes(const TorchOptions& options, at::Device device) {
  if (options.cache_memory_bytes != kQuarterOfFreeMemory) return options.cache_memory_bytes;
  at::globalContext().lazyInitDevice(device.type());
  constexpr size_t kShare = 4;
  return static_cast<int64_t>(at::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first / kShare);
}

// Full float32 products, whatever the environment says: TF32 keeps 10 bits, and a chunk's size or a batch's would show.
// bfloat16 sums stay in float32 until they are complete, for the same reason.
void UseExactProducts() {
  at::globalContext().setFloat32MatmulPrecision("highest");
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
  at::globalContext().setAllowFP16ReductionCuBLAS(false);
}

RunnerLimits MakeLimits(const ModelConfig& config, const KvCachePool& pool, const TorchOptions& options) {
  constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();
  const int64_t pool_tokens = pool.num_blocks() * KvCachePool::kBlockSlots;
  RunnerLimits limits;
  limits.vocab_size = config.vocab_size;
  limits.max_tokens_per_step = options.max_tokens_per_step;
  limits.trained_tokens = static_cast<int32_t>(std::min(config.trained_tokens, kMaxInt));
  limits.max_cache_tokens = static_cast<int32_t>(std::min(
      options.allow_untrained_length ? kMaxInt : int64_t{limits.trained_tokens}, std::min(pool_tokens, kMaxInt)));
  limits.cache_bytes_per_token = pool.layout().slot_bytes();
  limits.cache_memory_bytes = pool.num_blocks() * pool.block_bytes();
  return limits;
}

}  // namespace

int64_t DeviceBytesInUse(const std::string& device_name) {
  const auto device = ChooseDevice(device_name);
  if (!device.ok() || !device->is_cuda()) return 0;
  try {
    const auto [free, total] = at::getDeviceAllocator(device->type())->getMemoryInfo(device->index());
    return static_cast<int64_t>(total - free);
  } catch (const c10::Error&) {
    return 0;
  }
}

absl::StatusOr<std::unique_ptr<ModelRunner>> CreateTorchModelRunner(const Checkpoint& checkpoint,
                                                                    const TorchOptions& options) {
  auto device = ChooseDevice(options.device);
  if (!device.ok()) return device.status();
  absl::Status valid = CheckOptions(options, *device);
  if (!valid.ok()) return valid;
  auto dtype = ChooseDtype(options.dtype, *device);
  if (!dtype.ok()) return dtype.status();
  return WithTorch(options.num_threads, [&]() -> absl::StatusOr<std::unique_ptr<ModelRunner>> {
    const ModelConfig& config = checkpoint.config();
    const SlotLayout layout = {config.num_layers, config.num_kv_heads, config.head_size, *dtype};
    if (device->is_cuda()) UseExactProducts();
    auto pool = KvCachePool::Create(layout, *device, CacheMemoryBytes(options, *device));
    if (!pool.ok()) return pool.status();
    auto weights = LoadNetworkWeights(checkpoint, *dtype, *device);
    if (!weights.ok()) return weights.status();
    const RunnerLimits limits = MakeLimits(config, **pool, options);
    const int32_t num_threads = options.num_threads > 0 ? options.num_threads : at::get_num_threads();
    return std::make_unique<TorchModelRunner>(DecoderNetwork(config, *std::move(weights)), *std::move(pool), limits,
                                              options.allow_untrained_length, num_threads);
  });
}

}  // namespace perennial

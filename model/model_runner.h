// The seam: the one interface that a new backend implements. A ModelRunner owns a model's weights and the memory of all
// caches; it decodes tokens and knows nothing of sessions, turns, sampling or text. The whole eviction policy reaches
// it as one integer per token, b(t) (see sink_window.h): the engine decides, the runner obeys.
//
// Implementations: model/torch/torch_model_runner.h (libtorch) and tests/fake_model_runner.h (a fake with behaviour).
// tests/model/model_runner_contract.h is one test suite for all of them.

#ifndef PERENNIAL_MODEL_MODEL_RUNNER_H_
#define PERENNIAL_MODEL_MODEL_RUNNER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/sink_window.h"
#include "model/token.h"

namespace perennial {

// One session's keys and values. Made by ModelRunner::NewCache or Clone; must be destroyed before its runner and on the
// engine thread. Destroying it gives its slots back.
class KvCache {
 public:
  virtual ~KvCache() = default;

  virtual const CacheShape& shape() const = 0;
  virtual int64_t num_tokens() const = 0;  // stream tokens fed; the next token's index t
  virtual int32_t num_notes() const = 0;   // n: note tokens in use
  virtual int64_t size_bytes() const = 0;  // cache memory held, constant for its life
};

// Which part of the cache a step's tokens go to.
enum class Part {
  kStream,  // the next tokens of the session's stream
  kNotes,   // rewrite the notes with these tokens (all of them; may be empty); the stream is untouched
};

// Which of a step's tokens produce a row of logits.
enum class LogitRows {
  kNone,  // prefill, all but the last chunk; notes always
  kLast,  // decode, last chunk of a prefill
  kAll,   // evaluation
};

struct StepInput {
  KvCache* cache = nullptr;  // not owned; made by this runner; each cache at most once in a batch
  Part part = Part::kStream;
  absl::Span<const TokenId> tokens;        // kStream: 1 … max_tokens_per_step; kNotes: 0 … N
  absl::Span<const int64_t> window_begin;  // kStream: b(t), one per token, non-decreasing; kNotes: empty
  LogitRows rows = LogitRows::kLast;
};

// Result of a step. Reuse one object for all steps: its memory is kept.
struct StepOutput {
  int32_t vocab_size = 0;
  std::vector<float> logits;      // [num_rows, vocab_size]; rows in batch order, inside an input in token order
  std::vector<size_t> first_row;  // [batch]: the first row of each input (meaningless where it has none)

  // Logits of row `row` of batch element `input`. REQUIRES: that row was asked for. Valid until the next Step.
  absl::Span<const float> Row(size_t input, size_t row = 0) const {
    return absl::MakeConstSpan(logits).subspan((first_row[input] + row) * static_cast<size_t>(vocab_size),
                                               static_cast<size_t>(vocab_size));
  }
};

// Constant facts about a loaded runner, all > 0.
struct RunnerLimits {
  int32_t vocab_size = 0;
  int32_t max_tokens_per_step = 0;    // over all inputs of a batch together
  int32_t max_cache_tokens = 0;       // largest C that NewCache accepts (trained length, unless overridden)
  int32_t trained_tokens = 0;         // length the model was trained for, after its RoPE scaling
  int64_t cache_bytes_per_token = 0;  // keys and values of one slot, all layers
  int64_t cache_memory_bytes = 0;     // allocated once, for all caches together
};

// Not thread-safe: one thread (the engine's) makes all calls, and destroys the caches.
class ModelRunner {
 public:
  virtual ~ModelRunner() = default;

  virtual const RunnerLimits& limits() const = 0;

  // For logs and GetModel: "torch cpu bfloat16, 2 threads".
  virtual std::string Description() const = 0;

  // Cache memory that NewCache(shape) would take: what admission adds up.
  virtual int64_t CacheBytes(const CacheShape& shape) const = 0;
  // Cache memory that is free now.
  virtual int64_t FreeCacheBytes() const = 0;

  // An empty, zeroed cache. RESOURCE_EXHAUSTED when the memory is taken; INVALID_ARGUMENT for a bad shape.
  virtual absl::StatusOr<std::unique_ptr<KvCache>> NewCache(const CacheShape& shape) = 0;

  // One forward pass over a batch of sessions. Exact under chunking: a stream fed in chunks of any size gives the same
  // cache and logits as token by token (in arithmetic; in floats within a stated tolerance). A session's result does
  // not depend on the other inputs of its batch.
  //
  // b(t) is S for t < S, else max(S, t - W + 1) … t. Notes see the sinks fed so far and earlier notes; rewriting them
  // changes nothing but their slots and num_notes.
  //
  // INVALID_ARGUMENT (see ValidateBatch) changes no cache. Any other error
  // leaves the caches of this batch undefined: destroy them.
  virtual absl::Status Step(absl::Span<const StepInput> batch, StepOutput& output) = 0;

  // Goes back to the stream's first `t` tokens, 0 <= t <= num_tokens. What newer tokens overwrote is not restored: the
  // caller's next b(t) must not reach below it (SinkWindow takes care). Notes stay.
  virtual absl::Status Truncate(KvCache& cache, int64_t t) = 0;

  // An independent copy: same stream, same notes, own slots. RESOURCE_EXHAUSTED when the memory is taken.
  virtual absl::StatusOr<std::unique_ptr<KvCache>> Clone(const KvCache& cache) = 0;

  // Bytes of `num_slots` slots in Export's layout, which is private to the runner, model and dtype. Those of all slots
  // are at most CacheBytes(cache.shape()), those of a part at most those of the whole.
  virtual int64_t ExportBytes(const KvCache& cache, int32_t num_slots) const = 0;

  // Copies slots [first_slot, first_slot + num_slots) out: parking and snapshots, in slices between steps.
  // REQUIRES: bytes.size() == ExportBytes(cache, num_slots), else INVALID_ARGUMENT.
  virtual absl::Status Export(const KvCache& cache, int32_t first_slot, int32_t num_slots,
                              absl::Span<std::byte> bytes) = 0;

  // The reverse of Export, into a cache of the same shape. `num_tokens` and `num_notes` become the cache's.
  virtual absl::Status Import(KvCache& cache, int32_t first_slot, int32_t num_slots, absl::Span<const std::byte> bytes,
                              int64_t num_tokens, int32_t num_notes) = 0;
};

// What every implementation of Step checks before it changes anything: INVALID_ARGUMENT naming the input, the field,
// its value and its limit if the batch is empty, a cache is null or occurs twice, a token id, b(t) or a count is out of
// its range, or notes ask for rows. Whether a cache was made by the runner at hand is left to the runner.
absl::Status ValidateBatch(absl::Span<const StepInput> batch, const RunnerLimits& limits);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_MODEL_RUNNER_H_

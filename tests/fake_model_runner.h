// FakeModelRunner: a ModelRunner with behaviour and without a network, for tests of the engine, the server and the
// client.
//
// It keeps a real ring of S + N + W rows per cache, written as the real runner writes its own (sink rows once, window
// rows over and over, notes rewritten in place). Its logits are a hash of the ordered (token, place, distance) triples
// that design section 2 lets a token see, read out of those rows. So any wrong eviction, slot, order, window begin, use
// of notes or part changes the text that comes out, and a right one gives the same text on every machine.
//
// Two things differ from a network: a row holds its token and nothing of what that token saw (one layer deep), and
// "keys" do not decay with distance.
//
// What a test can do with it:
//   * make replies readable or echo what is seen: FakeOptions::script;
//   * let steps fail or give NaN logits: FailStep, PoisonStep;
//   * hold a step until the test lets it go, for races without sleeps: BlockSteps, AwaitBlockedStep, AllowSteps;
//   * let copies fail: FakeOptions::before_export, before_import;
//   * count: counters(); look at every batch: FakeOptions::before_step.
//
// Threads: the ModelRunner calls belong to one thread (the engine's), as the seam says; the controls (gate, failures,
// counters) may be used from any other thread meanwhile.

#ifndef PERENNIAL_TESTS_FAKE_MODEL_RUNNER_H_
#define PERENNIAL_TESTS_FAKE_MODEL_RUNNER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/token.h"
#include "tests/fake_script.h"

namespace perennial {

struct FakeOptions {
  int32_t vocab_size = 256;
  int32_t max_tokens_per_step = 512;
  int32_t max_cache_tokens = 8192;
  int64_t cache_memory_bytes = int64_t{1} << 20;  // kRowBytes per slot: 65,536 slots
  FakeScript script;                              // empty: hash logits only
  // Called on the engine thread at the start of every Step that passed validation, before the gate.
  std::function<void(absl::Span<const StepInput>)> before_step;
  // Called on the engine thread at the start of every Export and Import that is valid; what is not OK is returned.
  std::function<absl::Status()> before_export = {};
  std::function<absl::Status()> before_import = {};
};

// Sums since the runner was made.
struct FakeCounters {
  int64_t steps = 0;          // that ran to their end
  int64_t failed_steps = 0;   // injected failures
  int64_t refused_steps = 0;  // INVALID_ARGUMENT
  int64_t stream_tokens = 0;
  int64_t note_tokens = 0;
  int64_t logit_rows = 0;
  int64_t largest_batch = 0;        // inputs in one step
  int64_t largest_step_tokens = 0;  // tokens of all inputs in one step
  int64_t live_caches = 0;          // now
  int64_t used_bytes = 0;           // now
};

class FakeModelRunner final : public ModelRunner {
 public:
  static constexpr int64_t kRowBytes = 16;

  explicit FakeModelRunner(FakeOptions options = {});
  // REQUIRES: all caches are gone.
  ~FakeModelRunner() override;

  // ModelRunner
  const RunnerLimits& limits() const override { return limits_; }
  std::string Description() const override { return "fake"; }
  int64_t CacheBytes(const CacheShape& shape) const override;
  int64_t FreeCacheBytes() const override;
  absl::StatusOr<std::unique_ptr<KvCache>> NewCache(const CacheShape& shape) override;
  absl::Status Step(absl::Span<const StepInput> batch, StepOutput& output) override;
  absl::Status Truncate(KvCache& cache, int64_t t) override;
  absl::StatusOr<std::unique_ptr<KvCache>> Clone(const KvCache& cache) override;
  int64_t ExportBytes(const KvCache& cache, int32_t num_slots) const override;
  absl::Status Export(const KvCache& cache, int32_t first_slot, int32_t num_slots,
                      absl::Span<std::byte> bytes) override;
  absl::Status Import(KvCache& cache, int32_t first_slot, int32_t num_slots, absl::Span<const std::byte> bytes,
                      int64_t num_tokens, int32_t num_notes) override;

  // Failures. `steps_from_now` 1 is the next valid step (one that is blocked at the gate still counts as next).
  // A failed step returns `status` and fills the rows of its caches with rubbish, as the seam allows.
  void FailStep(int64_t steps_from_now, absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // The step's logits are all NaN.
  void PoisonStep(int64_t steps_from_now) ABSL_LOCKS_EXCLUDED(mutex_);

  // The gate. BlockSteps: from now on a Step waits at its start until it is allowed. AllowSteps: lets `count` further
  // steps through. UnblockSteps: opens the gate for good; call it before the engine is stopped.
  void BlockSteps() ABSL_LOCKS_EXCLUDED(mutex_);
  void AllowSteps(int64_t count) ABSL_LOCKS_EXCLUDED(mutex_);
  void UnblockSteps() ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until a Step stands at the gate (at once if one does).
  void AwaitBlockedStep() ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until `count` steps have ended since the runner was made, failed ones included.
  void AwaitSteps(int64_t count) ABSL_LOCKS_EXCLUDED(mutex_);

  FakeCounters counters() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Cache;

  absl::StatusOr<std::unique_ptr<Cache>> Allocate(const CacheShape& shape) ABSL_LOCKS_EXCLUDED(mutex_);
  void Release(int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<const Cache*> OwnCache(const KvCache* cache) const;
  absl::Status PassGate(bool& poisoned) ABSL_LOCKS_EXCLUDED(mutex_);
  void RunInput(const StepInput& input, bool poisoned, StepOutput& output);
  void AppendLogits(const FakeSight& sight, bool poisoned, std::vector<float>& logits) const;

  // Constant after construction.
  const FakeOptions options_;
  const RunnerLimits limits_;

  mutable absl::Mutex mutex_;
  FakeCounters counters_ ABSL_GUARDED_BY(mutex_);
  bool gate_closed_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t allowed_steps_ ABSL_GUARDED_BY(mutex_) = 0;
  bool step_waits_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t begun_steps_ ABSL_GUARDED_BY(mutex_) = 0;  // that passed the gate
  // By the value of begun_steps_ that they hit.
  std::map<int64_t, absl::Status> failures_ ABSL_GUARDED_BY(mutex_);
  std::set<int64_t> poisoned_steps_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_FAKE_MODEL_RUNNER_H_

#include "tests/fake_model_runner.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace perennial {
namespace {

// One slot's row. A sink's or a note's `index` is its place, a windowed token's its index t, as the real runner rotates
// its keys. A row never written is all zero.
struct Row {
  int64_t index = 0;
  TokenId token = 0;
  int32_t written = 0;
};
static_assert(sizeof(Row) == FakeModelRunner::kRowBytes);

// A number in [0, 1).
float Fraction(uint64_t hash) { return static_cast<float>(hash >> 40) * 0x1p-24f; }

// Logits lie in [0, kLogitRange); a scripted token's lies far above.
constexpr float kLogitRange = 8.0f;
constexpr float kScriptedLogit = 40.0f;

}  // namespace

class FakeModelRunner::Cache final : public KvCache {
 public:
  Cache(FakeModelRunner* runner, const CacheShape& shape)
      : runner_(runner), shape_(shape), rows_(static_cast<size_t>(shape.capacity())) {}
  ~Cache() override { runner_->Release(size_bytes()); }

  const CacheShape& shape() const override { return shape_; }
  int64_t num_tokens() const override { return num_tokens_; }
  int32_t num_notes() const override { return num_notes_; }
  int64_t size_bytes() const override { return shape_.capacity() * kRowBytes; }

  const FakeModelRunner* runner() const { return runner_; }

  void SetPosition(int64_t num_tokens, int32_t num_notes) {
    num_tokens_ = num_tokens;
    num_notes_ = num_notes;
  }

  void CopyFrom(const Cache& other) {
    rows_ = other.rows_;
    SetPosition(other.num_tokens_, other.num_notes_);
  }

  void RewriteNotes(absl::Span<const TokenId> tokens) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const int32_t slot = shape_.sink_tokens + static_cast<int32_t>(i);
      rows_[static_cast<size_t>(slot)] = {.index = slot, .token = tokens[i], .written = 1};
    }
    num_notes_ = static_cast<int32_t>(tokens.size());
  }

  // Writes the stream's next token into its row and looks around from it. Row by row is the same as chunk by chunk,
  // because b(t) >= t - W + 1: the row that t takes belongs to a token that neither t nor a later one may see.
  FakeSight Feed(TokenId token, int64_t window_begin) {
    const int64_t t = num_tokens_++;
    RowAt(SlotOf(shape_, t)) = {.index = t, .token = token, .written = 1};
    FakeSight sight;
    sight.index = t;
    sight.place = PlaceOf(shape_, num_notes_, t, window_begin);
    const bool is_sink = t < shape_.sink_tokens;
    const int32_t head = is_sink ? static_cast<int32_t>(t) + 1 : shape_.sink_tokens + num_notes_;
    for (int32_t slot = 0; slot < head; ++slot) {
      const Row& row = RowAt(slot);
      See(row, sight.place - row.index, sight);
    }
    if (!is_sink) {
      for (int64_t u = window_begin; u <= t; ++u) {
        // By the row's own index: a row that another token has taken shows as a wrong distance.
        const Row& row = RowAt(SlotOf(shape_, u));
        See(row, t - row.index, sight);
      }
    }
    return sight;
  }

  void FillWithRubbish() {
    for (Row& row : rows_) row = {.index = -1, .token = -1, .written = -1};
  }

  absl::Span<std::byte> Bytes(int32_t first_slot, int32_t num_slots) {
    return absl::MakeSpan(reinterpret_cast<std::byte*>(rows_.data() + first_slot),
                          static_cast<size_t>(num_slots) * sizeof(Row));
  }
  absl::Span<const std::byte> Bytes(int32_t first_slot, int32_t num_slots) const {
    return const_cast<Cache*>(this)->Bytes(first_slot, num_slots);
  }

 private:
  Row& RowAt(int32_t slot) { return rows_[static_cast<size_t>(slot)]; }

  static void See(const Row& row, int64_t distance, FakeSight& sight) {
    sight.visible.push_back({row.token, distance});
    sight.hash = MixBits(sight.hash ^ MixBits(static_cast<uint64_t>(static_cast<uint32_t>(row.token))));
    sight.hash = MixBits(sight.hash ^ MixBits(static_cast<uint64_t>(distance)));
    sight.hash = MixBits(sight.hash ^ static_cast<uint64_t>(static_cast<uint32_t>(row.written)));
  }

  FakeModelRunner* const runner_;
  const CacheShape shape_;
  std::vector<Row> rows_;  // [C], by slot
  int64_t num_tokens_ = 0;
  int32_t num_notes_ = 0;
};

FakeModelRunner::FakeModelRunner(FakeOptions options)
    : options_(std::move(options)),
      limits_{.vocab_size = options_.vocab_size,
              .max_tokens_per_step = options_.max_tokens_per_step,
              .max_cache_tokens = options_.max_cache_tokens,
              .trained_tokens = options_.max_cache_tokens,
              .cache_bytes_per_token = kRowBytes,
              .cache_memory_bytes = options_.cache_memory_bytes} {
  PERENNIAL_CHECK(options_.vocab_size > 0 && options_.max_tokens_per_step > 0 && options_.max_cache_tokens > 0);
}

FakeModelRunner::~FakeModelRunner() { PERENNIAL_CHECK(counters().live_caches == 0); }

int64_t FakeModelRunner::CacheBytes(const CacheShape& shape) const { return shape.capacity() * kRowBytes; }

int64_t FakeModelRunner::FreeCacheBytes() const { return options_.cache_memory_bytes - counters().used_bytes; }

absl::StatusOr<std::unique_ptr<FakeModelRunner::Cache>> FakeModelRunner::Allocate(const CacheShape& shape) {
  const int64_t bytes = CacheBytes(shape);
  absl::MutexLock lock(&mutex_);
  const int64_t free_bytes = options_.cache_memory_bytes - counters_.used_bytes;
  if (bytes > free_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a cache of ", shape.capacity(), " tokens takes ", bytes, " bytes, ", free_bytes, " are free"));
  }
  counters_.used_bytes += bytes;
  ++counters_.live_caches;
  return std::make_unique<Cache>(this, shape);
}

void FakeModelRunner::Release(int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  counters_.used_bytes -= bytes;
  --counters_.live_caches;
}

absl::StatusOr<std::unique_ptr<KvCache>> FakeModelRunner::NewCache(const CacheShape& shape) {
  if (absl::Status status = ValidateCacheShape(shape, limits_.max_cache_tokens); !status.ok()) return status;
  return Allocate(shape);
}

absl::StatusOr<std::unique_ptr<KvCache>> FakeModelRunner::Clone(const KvCache& cache) {
  absl::StatusOr<const Cache*> original = OwnCache(&cache);
  if (!original.ok()) return original.status();
  absl::StatusOr<std::unique_ptr<Cache>> copy = Allocate(cache.shape());
  if (!copy.ok()) return copy.status();
  (*copy)->CopyFrom(**original);
  return *std::move(copy);
}

absl::StatusOr<const FakeModelRunner::Cache*> FakeModelRunner::OwnCache(const KvCache* cache) const {
  const auto* own = dynamic_cast<const Cache*>(cache);
  if (own == nullptr || own->runner() != this) {
    return absl::InvalidArgumentError("the cache is null or was made by another runner");
  }
  return own;
}

absl::Status FakeModelRunner::Truncate(KvCache& cache, int64_t t) {
  if (absl::StatusOr<const Cache*> own = OwnCache(&cache); !own.ok()) return own.status();
  if (t < 0 || t > cache.num_tokens()) {
    return absl::InvalidArgumentError(absl::StrCat("t is ", t, ", must be 0 to ", cache.num_tokens()));
  }
  static_cast<Cache&>(cache).SetPosition(t, cache.num_notes());
  return absl::OkStatus();
}

int64_t FakeModelRunner::ExportBytes(const KvCache& /*cache*/, int32_t num_slots) const {
  return num_slots * kRowBytes;
}

namespace {

absl::Status ValidateSlots(const KvCache& cache, int32_t first_slot, int32_t num_slots, size_t num_bytes) {
  const int32_t capacity = cache.shape().capacity();
  if (first_slot < 0 || num_slots < 0 || first_slot > capacity - num_slots) {
    return absl::InvalidArgumentError(absl::StrCat("slots ", first_slot, " to ", int64_t{first_slot} + num_slots,
                                                   " are not in a cache of ", capacity));
  }
  if (num_bytes != static_cast<size_t>(num_slots * FakeModelRunner::kRowBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("bytes holds ", num_bytes, ", ", num_slots, " slots take ",
                                                   num_slots * FakeModelRunner::kRowBytes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status FakeModelRunner::Export(const KvCache& cache, int32_t first_slot, int32_t num_slots,
                                     absl::Span<std::byte> bytes) {
  absl::StatusOr<const Cache*> own = OwnCache(&cache);
  if (!own.ok()) return own.status();
  if (absl::Status status = ValidateSlots(cache, first_slot, num_slots, bytes.size()); !status.ok()) return status;
  if (options_.before_export) {
    if (absl::Status status = options_.before_export(); !status.ok()) return status;
  }
  const absl::Span<const std::byte> rows = (*own)->Bytes(first_slot, num_slots);
  std::copy(rows.begin(), rows.end(), bytes.begin());
  return absl::OkStatus();
}

absl::Status FakeModelRunner::Import(KvCache& cache, int32_t first_slot, int32_t num_slots,
                                     absl::Span<const std::byte> bytes, int64_t num_tokens, int32_t num_notes) {
  if (absl::StatusOr<const Cache*> own = OwnCache(&cache); !own.ok()) return own.status();
  if (absl::Status status = ValidateSlots(cache, first_slot, num_slots, bytes.size()); !status.ok()) return status;
  if (num_tokens < 0 || num_notes < 0 || num_notes > cache.shape().note_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("num_tokens is ", num_tokens, " (at least 0), num_notes ", num_notes,
                                                   " (0 to ", cache.shape().note_tokens, ")"));
  }
  if (options_.before_import) {
    if (absl::Status status = options_.before_import(); !status.ok()) return status;
  }
  auto& own = static_cast<Cache&>(cache);
  std::copy(bytes.begin(), bytes.end(), own.Bytes(first_slot, num_slots).begin());
  own.SetPosition(num_tokens, num_notes);
  return absl::OkStatus();
}

absl::Status FakeModelRunner::Step(absl::Span<const StepInput> batch, StepOutput& output) {
  absl::Status valid = ValidateBatch(batch, limits_);
  for (const StepInput& input : batch) valid.Update(OwnCache(input.cache).status());
  if (!valid.ok()) {
    absl::MutexLock lock(&mutex_);
    ++counters_.refused_steps;
    return valid;
  }
  if (options_.before_step) options_.before_step(batch);
  bool poisoned = false;
  const absl::Status gate_status = PassGate(poisoned);
  if (!gate_status.ok()) {
    for (const StepInput& input : batch) static_cast<Cache*>(input.cache)->FillWithRubbish();
    absl::MutexLock lock(&mutex_);
    ++counters_.failed_steps;
    return gate_status;
  }

  output.vocab_size = limits_.vocab_size;
  output.logits.clear();
  output.first_row.clear();
  int64_t stream_tokens = 0;
  int64_t note_tokens = 0;
  for (const StepInput& input : batch) {
    output.first_row.push_back(output.logits.size() / static_cast<size_t>(limits_.vocab_size));
    (input.part == Part::kNotes ? note_tokens : stream_tokens) += static_cast<int64_t>(input.tokens.size());
    RunInput(input, poisoned, output);
  }

  absl::MutexLock lock(&mutex_);
  ++counters_.steps;
  counters_.stream_tokens += stream_tokens;
  counters_.note_tokens += note_tokens;
  counters_.logit_rows += static_cast<int64_t>(output.logits.size()) / limits_.vocab_size;
  counters_.largest_batch = std::max(counters_.largest_batch, static_cast<int64_t>(batch.size()));
  counters_.largest_step_tokens = std::max(counters_.largest_step_tokens, stream_tokens + note_tokens);
  return absl::OkStatus();
}

void FakeModelRunner::RunInput(const StepInput& input, bool poisoned, StepOutput& output) {
  auto& cache = static_cast<Cache&>(*input.cache);
  if (input.part == Part::kNotes) {
    cache.RewriteNotes(input.tokens);
    return;
  }
  for (size_t k = 0; k < input.tokens.size(); ++k) {
    const FakeSight sight = cache.Feed(input.tokens[k], input.window_begin[k]);
    const bool is_last = k + 1 == input.tokens.size();
    if (input.rows == LogitRows::kAll || (input.rows == LogitRows::kLast && is_last)) {
      AppendLogits(sight, poisoned, output.logits);
    }
  }
}

void FakeModelRunner::AppendLogits(const FakeSight& sight, bool poisoned, std::vector<float>& logits) const {
  const size_t first = logits.size();
  for (int32_t token = 0; token < limits_.vocab_size; ++token) {
    logits.push_back(poisoned ? std::numeric_limits<float>::quiet_NaN()
                              : kLogitRange * Fraction(MixBits(sight.hash + static_cast<uint64_t>(token))));
  }
  if (poisoned || !options_.script) return;
  const TokenId scripted = options_.script(sight);
  if (scripted == kNoToken) return;
  PERENNIAL_CHECK(scripted >= 0 && scripted < limits_.vocab_size);
  logits[first + static_cast<size_t>(scripted)] = kScriptedLogit;
}

absl::Status FakeModelRunner::PassGate(bool& poisoned) {
  absl::MutexLock lock(&mutex_);
  if (gate_closed_) {
    step_waits_ = true;
    const auto may_pass = [this]()
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !gate_closed_ || allowed_steps_ > 0; };
    mutex_.Await(absl::Condition(&may_pass));
    step_waits_ = false;
    if (gate_closed_) --allowed_steps_;
  }
  ++begun_steps_;
  poisoned = poisoned_steps_.erase(begun_steps_) > 0;
  auto failure = failures_.extract(begun_steps_);
  return failure.empty() ? absl::OkStatus() : failure.mapped();
}

void FakeModelRunner::FailStep(int64_t steps_from_now, absl::Status status) {
  PERENNIAL_CHECK(steps_from_now >= 1 && !status.ok());
  absl::MutexLock lock(&mutex_);
  failures_[begun_steps_ + steps_from_now] = std::move(status);
}

void FakeModelRunner::PoisonStep(int64_t steps_from_now) {
  PERENNIAL_CHECK(steps_from_now >= 1);
  absl::MutexLock lock(&mutex_);
  poisoned_steps_.insert(begun_steps_ + steps_from_now);
}

void FakeModelRunner::BlockSteps() {
  absl::MutexLock lock(&mutex_);
  gate_closed_ = true;
  allowed_steps_ = 0;
}

void FakeModelRunner::AllowSteps(int64_t count) {
  absl::MutexLock lock(&mutex_);
  allowed_steps_ += count;
}

void FakeModelRunner::UnblockSteps() {
  absl::MutexLock lock(&mutex_);
  gate_closed_ = false;
}

void FakeModelRunner::AwaitBlockedStep() {
  absl::MutexLock lock(&mutex_);
  const auto waits = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return step_waits_ && allowed_steps_ == 0; };
  mutex_.Await(absl::Condition(&waits));
}

void FakeModelRunner::AwaitSteps(int64_t count) {
  absl::MutexLock lock(&mutex_);
  const auto ended = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return counters_.steps + counters_.failed_steps >= count;
  };
  mutex_.Await(absl::Condition(&ended));
}

FakeCounters FakeModelRunner::counters() const {
  absl::MutexLock lock(&mutex_);
  return counters_;
}

}  // namespace perennial

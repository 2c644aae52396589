// ContractStream: one session's cache together with the window state that the engine would keep for it, and every row
// of logits it gave. Only for the clauses in model_runner_contract*.h.

#ifndef PERENNIAL_TESTS_MODEL_CONTRACT_STREAM_H_
#define PERENNIAL_TESTS_MODEL_CONTRACT_STREAM_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/model_runner.h"
#include "model/sink_window.h"

namespace perennial {

// One row of logits per token, [tokens][vocab_size].
using Rows = std::vector<std::vector<float>>;

// The largest absolute difference of two sets of rows; infinite if the shapes differ or one side is not a number.
inline float MaxDifference(const Rows& a, const Rows& b) {
  if (a.size() != b.size()) return std::numeric_limits<float>::infinity();
  float largest = 0.0f;
  for (size_t row = 0; row < a.size(); ++row) {
    if (a[row].size() != b[row].size()) return std::numeric_limits<float>::infinity();
    for (size_t i = 0; i < a[row].size(); ++i) {
      const float difference = std::fabs(a[row][i] - b[row][i]);
      if (!(difference <= std::numeric_limits<float>::max())) return std::numeric_limits<float>::infinity();
      largest = std::max(largest, difference);
    }
  }
  return largest;
}

// `count` token ids below `vocab_size` that depend on `seed` only.
inline std::vector<TokenId> SomeTokens(int32_t vocab_size, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % static_cast<uint32_t>(vocab_size));
  return tokens;
}

// A valid b(t) for tokens first … first + count - 1 that no policy of ours would choose: it stays or jumps at random.
inline std::vector<int64_t> SomeWindowBegins(const CacheShape& shape, int64_t first, int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int64_t> window_begins;
  int64_t b = shape.sink_tokens;
  for (int64_t t = first; t < first + count; ++t) {
    if (t >= shape.sink_tokens) {
      b = std::max(b, t - shape.window_tokens + 1);
      if (random() % 4 == 0) b += static_cast<int64_t>(random() % static_cast<uint32_t>(t - b + 1));
    }
    window_begins.push_back(b);
  }
  return window_begins;
}

class ContractStream {
 public:
  // REQUIRES: the runner has room.
  ContractStream(ModelRunner& runner, const CacheShape& shape, EvictionPolicy policy = EvictionPolicy::kTokenWise)
      : runner_(&runner), window_(shape, policy) {
    auto cache = runner.NewCache(shape);
    EXPECT_TRUE(cache.ok()) << cache.status();
    if (cache.ok()) cache_ = *std::move(cache);
  }

  // Takes over a cache that stands where `window` says.
  ContractStream(ModelRunner& runner, std::unique_ptr<KvCache> cache, SinkWindow window)
      : runner_(&runner), window_(std::move(window)), cache_(std::move(cache)) {}

  KvCache& cache() { return *cache_; }
  SinkWindow& window() { return window_; }

  // Runs `tokens` in chunks of `chunk` tokens with the policy's b(t). Returns their rows.
  Rows Feed(absl::Span<const TokenId> tokens, size_t chunk) {
    return FeedWith(tokens, window_.Advance(static_cast<int64_t>(tokens.size())), chunk);
  }

  // The same with given b(t), of which window() knows nothing.
  Rows FeedWith(absl::Span<const TokenId> tokens, absl::Span<const int64_t> window_begins, size_t chunk) {
    Rows rows;
    for (size_t at = 0; at < tokens.size(); at += chunk) {
      const StepInput input{.cache = cache_.get(),
                            .part = Part::kStream,
                            .tokens = tokens.subspan(at, chunk),
                            .window_begin = window_begins.subspan(at, chunk),
                            .rows = LogitRows::kAll};
      const absl::Status status = runner_->Step({input}, output_);
      EXPECT_TRUE(status.ok()) << status;
      if (!status.ok()) return rows;
      for (size_t row = 0; row < input.tokens.size(); ++row) {
        const absl::Span<const float> logits = output_.Row(0, row);
        rows.emplace_back(logits.begin(), logits.end());
      }
    }
    return rows;
  }

  void WriteNotes(absl::Span<const TokenId> notes) {
    const StepInput input{
        .cache = cache_.get(), .part = Part::kNotes, .tokens = notes, .window_begin = {}, .rows = LogitRows::kNone};
    const absl::Status status = runner_->Step({input}, output_);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(cache_->num_notes(), static_cast<int32_t>(notes.size()));
  }

  // Runner and window together, as the engine does it.
  void Rewind(int64_t r) {
    window_.Rewind(r);
    EXPECT_TRUE(runner_->Truncate(*cache_, r).ok());
    EXPECT_EQ(cache_->num_tokens(), r);
  }

  // The cache's memory as Export gives it, in slices of `slots_per_slice`.
  std::vector<std::byte> Export(int32_t slots_per_slice) {
    std::vector<std::byte> bytes;
    const int32_t capacity = window_.shape().capacity();
    for (int32_t slot = 0; slot < capacity; slot += slots_per_slice) {
      const int32_t count = std::min(slots_per_slice, capacity - slot);
      std::vector<std::byte> slice(static_cast<size_t>(runner_->ExportBytes(*cache_, count)));
      const absl::Status status = runner_->Export(*cache_, slot, count, absl::MakeSpan(slice));
      EXPECT_TRUE(status.ok()) << status;
      bytes.insert(bytes.end(), slice.begin(), slice.end());
    }
    return bytes;
  }

 private:
  ModelRunner* runner_;
  SinkWindow window_;
  std::unique_ptr<KvCache> cache_;
  StepOutput output_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_CONTRACT_STREAM_H_

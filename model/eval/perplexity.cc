#include "model/eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/sink_window.h"

namespace perennial {
namespace {

// -log softmax(logits)[token], in double: a perplexity is a mean of many small differences.
double NegativeLogLikelihood(absl::Span<const float> logits, TokenId token) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest - logits[static_cast<size_t>(token)];
}

double Perplexity(absl::Span<const double> losses) {
  return std::exp(std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size()));
}

// One text, one cache: feeds tokens and collects the loss of each prediction.
class Evaluation {
 public:
  Evaluation(ModelRunner& runner, absl::Span<const TokenId> tokens, const PerplexityOptions& options,
             std::unique_ptr<KvCache> cache)
      : runner_(runner),
        tokens_(tokens),
        options_(options),
        chunk_tokens_(std::min(options.chunk_tokens, runner.limits().max_tokens_per_step)),
        cache_(std::move(cache)) {}

  // Predicts tokens[1] … tokens[end] from their predecessors, all in one stream.
  absl::Status RunStream(int64_t end) {
    SinkWindow window(cache_->shape(), options_.eviction);
    for (int64_t first = 0; first < end;) {
      const int64_t count = std::min<int64_t>(chunk_tokens_, end - first);
      absl::Status status = Feed(window, first, count, LogitRows::kAll);
      if (!status.ok()) return status;
      for (int64_t row = 0; row < count; ++row) AddLoss(static_cast<size_t>(row), first + row + 1);
      first += count;
      ReportProgress();
    }
    return absl::OkStatus();
  }

  // Predicts tokens[target] from a new pass over the tokens that fit the cache before it.
  absl::Status RunFromScratch(int64_t target) {
    absl::Status status = runner_.Truncate(*cache_, 0);
    if (!status.ok()) return status;
    SinkWindow window(cache_->shape(), EvictionPolicy::kTokenWise);
    for (int64_t first = target - options_.cache_tokens; first < target;) {
      const int64_t count = std::min<int64_t>(chunk_tokens_, target - first);
      const bool last = first + count == target;
      status = Feed(window, first, count, last ? LogitRows::kLast : LogitRows::kNone);
      if (!status.ok()) return status;
      first += count;
    }
    AddLoss(0, target);
    ReportProgress();
    return absl::OkStatus();
  }

  PerplexityResult Result() const {
    const absl::Span<const double> losses = losses_;
    return {.tokens = static_cast<int64_t>(tokens_.size()),
            .perplexity = Perplexity(losses),
            .perplexity_second_half = Perplexity(losses.subspan(losses.size() / 2)),
            .cache_bytes = cache_->size_bytes()};
  }

 private:
  absl::Status Feed(SinkWindow& window, int64_t first, int64_t count, LogitRows rows) {
    const std::vector<int64_t> window_begin = Advance(window, count);
    const StepInput input = {.cache = cache_.get(),
                             .tokens = tokens_.subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
                             .window_begin = window_begin,
                             .rows = rows};
    return runner_.Step({input}, output_);
  }

  std::vector<int64_t> Advance(SinkWindow& window, int64_t count) const {
    std::vector<int64_t> window_begin;
    while (static_cast<int64_t>(window_begin.size()) < count) {
      const int64_t into_turn = window.num_tokens() % options_.turn_tokens;
      if (into_turn == 0) window.BeginTurn();
      const int64_t left = count - static_cast<int64_t>(window_begin.size());
      const std::vector<int64_t> piece = window.Advance(std::min(left, options_.turn_tokens - into_turn));
      window_begin.insert(window_begin.end(), piece.begin(), piece.end());
    }
    return window_begin;
  }

  void AddLoss(size_t row, int64_t target) {
    losses_.push_back(NegativeLogLikelihood(output_.Row(0, row), tokens_[static_cast<size_t>(target)]));
  }

  void ReportProgress() const {
    if (!options_.progress) return;
    options_.progress(static_cast<int64_t>(losses_.size()), static_cast<int64_t>(tokens_.size()) - 1);
  }

  ModelRunner& runner_;
  const absl::Span<const TokenId> tokens_;
  const PerplexityOptions& options_;
  const int32_t chunk_tokens_;
  const std::unique_ptr<KvCache> cache_;
  StepOutput output_;
  std::vector<double> losses_;  // of tokens[1], tokens[2], …
};

absl::Status CheckTokens(absl::Span<const TokenId> tokens, int32_t vocab_size) {
  if (tokens.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat("the text has ", tokens.size(), " tokens; at least 2 are needed"));
  }
  for (const TokenId token : tokens) {
    if (token >= 0 && token < vocab_size) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("token id ", token, " is not in the model's vocabulary of ", vocab_size));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EvictionPolicy> ParseEvictionPolicy(absl::string_view word) {
  if (word == "token_wise") return EvictionPolicy::kTokenWise;
  if (word == "turn_wise") return EvictionPolicy::kTurnWise;
  return absl::InvalidArgumentError(absl::StrCat("eviction is \"", word, "\"; it must be token_wise or turn_wise"));
}

absl::StatusOr<EvalAttention> ParseEvalAttention(absl::string_view word) {
  if (word == "sinks") return EvalAttention::kSinks;
  if (word == "dense") return EvalAttention::kDense;
  if (word == "recompute") return EvalAttention::kRecompute;
  return absl::InvalidArgumentError(absl::StrCat("attention is \"", word, "\"; it must be sinks, dense or recompute"));
}

absl::StatusOr<CacheShape> EvalCacheShape(const PerplexityOptions& options, int64_t num_tokens) {
  constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
  const bool dense = options.attention == EvalAttention::kDense;
  if (dense && num_tokens > kMaxTokens) {
    return absl::InvalidArgumentError(absl::StrCat("tokens is ", num_tokens, "; dense attention takes ", kMaxTokens));
  }
  const int32_t capacity = dense ? static_cast<int32_t>(num_tokens) : options.cache_tokens;
  const int32_t sinks = options.attention == EvalAttention::kSinks ? options.sink_tokens : 0;
  if (capacity < 1) return absl::InvalidArgumentError(absl::StrCat("cache_tokens is ", capacity, "; it must be >= 1"));
  if (sinks < 0 || sinks >= capacity) {
    return absl::InvalidArgumentError(
        absl::StrCat("sink_tokens is ", sinks, "; it must be 0 … ", capacity - 1, " (below cache_tokens)"));
  }
  return CacheShape{.sink_tokens = sinks, .note_tokens = 0, .window_tokens = capacity - sinks};
}

absl::StatusOr<PerplexityResult> MeasurePerplexity(ModelRunner& runner, absl::Span<const TokenId> tokens,
                                                   const PerplexityOptions& options) {
  absl::Status valid = CheckTokens(tokens, runner.limits().vocab_size);
  if (!valid.ok()) return valid;
  if (options.chunk_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("chunk_tokens is ", options.chunk_tokens, "; it must be >= 1"));
  }
  if (options.turn_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("turn_tokens is ", options.turn_tokens, "; it must be >= 1"));
  }
  const int64_t num_tokens = static_cast<int64_t>(tokens.size());
  auto shape = EvalCacheShape(options, num_tokens);
  if (!shape.ok()) return shape.status();
  auto cache = runner.NewCache(*shape);
  if (!cache.ok()) return cache.status();

  Evaluation evaluation(runner, tokens, options, *std::move(cache));
  const int64_t last = num_tokens - 1;
  const bool recompute = options.attention == EvalAttention::kRecompute;
  // While everything fits, computing anew gives what is in the cache already.
  const int64_t streamed = recompute ? std::min<int64_t>(last, options.cache_tokens) : last;
  absl::Status status = evaluation.RunStream(streamed);
  for (int64_t target = streamed + 1; status.ok() && target <= last; ++target) {
    status = evaluation.RunFromScratch(target);
  }
  if (!status.ok()) return status;
  return evaluation.Result();
}

}  // namespace perennial

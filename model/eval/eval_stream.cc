#include "model/eval/eval_stream.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace perennial {
namespace {

// Losses of `next`, each after its token, under the output's rows, into `losses`. Threads share the rows: at a
// vocabulary of 50,000 a row is 50,000 exponentials, and a GPU makes rows faster than one processor can take them.
void ScoreRows(const EvalSubject& subject, const StepOutput& output, absl::Span<const TokenId> tokens,
               absl::Span<const TokenId> next, double* losses) {
  const auto score = [&](size_t first, size_t step) {
    for (size_t row = first; row < next.size(); row += step) {
      losses[row] = LossAfter(subject, tokens[row], output.Row(0, row), next[row]);
    }
  };
  constexpr size_t kRowsWorthAThread = 16;
  const size_t wanted = std::min(static_cast<size_t>(subject.loss_threads), next.size() / kRowsWorthAThread);
  if (wanted <= 1) {
    score(0, 1);
    return;
  }
  std::vector<std::jthread> threads;
  for (size_t thread = 0; thread < wanted; ++thread) threads.emplace_back(score, thread, wanted);
}

}  // namespace

absl::Status CheckTokens(const EvalSubject& subject, absl::Span<const TokenId> tokens) {
  if (subject.chunk_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("chunk_tokens is ", subject.chunk_tokens, "; it must be >= 1"));
  }
  const int32_t vocab_size = subject.runner->limits().vocab_size;
  for (const TokenId token : tokens) {
    if (token >= 0 && token < vocab_size) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("token id ", token, " is not in the model's vocabulary of ", vocab_size));
  }
  return absl::OkStatus();
}

absl::StatusOr<EvictionPolicy> ParseEvictionPolicy(absl::string_view word) {
  if (word == "token_wise") return EvictionPolicy::kTokenWise;
  if (word == "turn_wise") return EvictionPolicy::kTurnWise;
  return absl::InvalidArgumentError(absl::StrCat("eviction is \"", word, "\"; it must be token_wise or turn_wise"));
}

double Loss(absl::Span<const float> logits, TokenId token) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + double{largest} - logits[static_cast<size_t>(token)];
}

double LossAfter(const EvalSubject& subject, TokenId token, absl::Span<const float> logits, TokenId next) {
  return token == subject.sink_token ? std::numeric_limits<double>::quiet_NaN() : Loss(logits, next);
}

TokenId Likeliest(absl::Span<const float> logits) {
  return static_cast<TokenId>(std::distance(logits.begin(), std::max_element(logits.begin(), logits.end())));
}

double Perplexity(absl::Span<const double> losses) {
  double sum = 0.0;
  int64_t count = 0;
  for (const double loss : losses) {
    if (std::isnan(loss)) continue;
    sum += loss;
    ++count;
  }
  return count > 0 ? std::exp(sum / static_cast<double>(count)) : std::numeric_limits<double>::quiet_NaN();
}

EvalStream::EvalStream(const EvalSubject& subject, SinkWindow window, EvalEviction eviction,
                       std::unique_ptr<KvCache> cache)
    : subject_(&subject), window_(std::move(window)), eviction_(eviction), cache_(std::move(cache)) {}

absl::StatusOr<EvalStream> EvalStream::Create(const EvalSubject& subject, const CacheShape& shape,
                                              EvalEviction eviction) {
  if (eviction.turn_tokens < 0) {
    return absl::InvalidArgumentError(absl::StrCat("turn_tokens is ", eviction.turn_tokens, "; it must be >= 0"));
  }
  auto cache = subject.runner->NewCache(shape);
  if (!cache.ok()) return cache.status();
  return EvalStream(subject, SinkWindow(shape, eviction.policy), eviction, *std::move(cache));
}

size_t EvalStream::chunk_tokens() const {
  return static_cast<size_t>(std::min(subject_->chunk_tokens, subject_->runner->limits().max_tokens_per_step));
}

absl::Status EvalStream::Feed(absl::Span<const TokenId> tokens) {
  for (size_t first = 0; first < tokens.size(); first += chunk_tokens()) {
    absl::Status status = Step(tokens.subspan(first, chunk_tokens()), LogitRows::kNone);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status EvalStream::FeedAndScore(absl::Span<const TokenId> tokens, absl::Span<const TokenId> next,
                                      std::vector<double>& losses) {
  PERENNIAL_CHECK(tokens.size() == next.size());
  for (size_t first = 0; first < tokens.size(); first += chunk_tokens()) {
    const absl::Span<const TokenId> chunk = tokens.subspan(first, chunk_tokens());
    absl::Status status = Step(chunk, LogitRows::kAll);
    if (!status.ok()) return status;
    losses.resize(losses.size() + chunk.size());
    ScoreRows(*subject_, output_, chunk, next.subspan(first, chunk.size()),
              losses.data() + (losses.size() - chunk.size()));
  }
  return absl::OkStatus();
}

absl::Status EvalStream::FeedForLogits(absl::Span<const TokenId> tokens) {
  PERENNIAL_CHECK(!tokens.empty());
  const size_t last_chunk = (tokens.size() - 1) % chunk_tokens() + 1;
  absl::Status status = Feed(tokens.first(tokens.size() - last_chunk));
  return status.ok() ? Step(tokens.last(last_chunk), LogitRows::kLast) : status;
}

absl::StatusOr<Prediction> EvalStream::Predict(absl::Span<const TokenId> tokens, absl::Span<const TokenId> expected) {
  PERENNIAL_CHECK(!tokens.empty() && !expected.empty());
  absl::Status status = Feed(tokens.first(tokens.size() - 1));
  std::vector<TokenId> rest = {tokens.back()};
  rest.insert(rest.end(), expected.begin(), expected.end() - 1);
  Prediction prediction;
  for (size_t first = 0; status.ok() && first < rest.size(); first += chunk_tokens()) {
    const absl::Span<const TokenId> chunk = absl::MakeConstSpan(rest).subspan(first, chunk_tokens());
    status = Step(chunk, LogitRows::kAll);
    for (size_t row = 0; status.ok() && row < chunk.size(); ++row) {
      const TokenId wanted = expected[first + row];
      prediction.losses.push_back(Loss(output_.Row(0, row), wanted));
      prediction.exact = prediction.exact && Likeliest(output_.Row(0, row)) == wanted;
    }
  }
  if (!status.ok()) return status;
  return prediction;
}

absl::Status EvalStream::SetNotes(absl::Span<const TokenId> tokens) {
  const StepInput input = {
      .cache = cache_.get(), .part = Part::kNotes, .tokens = tokens, .window_begin = {}, .rows = LogitRows::kNone};
  return subject_->runner->Step({input}, output_);
}

absl::Status EvalStream::Restart() {
  window_ = SinkWindow(cache_->shape(), eviction_.policy);
  return subject_->runner->Truncate(*cache_, 0);
}

absl::StatusOr<EvalStream> EvalStream::Fork() const {
  auto cache = subject_->runner->Clone(*cache_);
  if (!cache.ok()) return cache.status();
  return EvalStream(*subject_, window_, eviction_, *std::move(cache));
}

absl::Status EvalStream::Step(absl::Span<const TokenId> tokens, LogitRows rows) {
  const std::vector<int64_t> window_begin = Advance(static_cast<int64_t>(tokens.size()));
  const StepInput input = {.cache = cache_.get(), .tokens = tokens, .window_begin = window_begin, .rows = rows};
  return subject_->runner->Step({input}, output_);
}

std::vector<int64_t> EvalStream::Advance(int64_t count) {
  if (eviction_.turn_tokens == 0) return window_.Advance(count);
  std::vector<int64_t> window_begin;
  for (int64_t left = count; left > 0; left = count - static_cast<int64_t>(window_begin.size())) {
    const int64_t into_turn = window_.num_tokens() % eviction_.turn_tokens;
    if (into_turn == 0) window_.BeginTurn();
    const std::vector<int64_t> piece = window_.Advance(std::min(left, eviction_.turn_tokens - into_turn));
    window_begin.insert(window_begin.end(), piece.begin(), piece.end());
  }
  return window_begin;
}

}  // namespace perennial

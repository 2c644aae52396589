// One token stream through one cache of a model: what every measurement is made of. A mode makes streams, feeds them,
// and asks what the model thought of the tokens.
//
// Losses are -log p(token) in nats, from float32 logits, summed in double: a perplexity is a mean of many small
// differences, and its exponential.

#ifndef PERENNIAL_MODEL_EVAL_EVAL_STREAM_H_
#define PERENNIAL_MODEL_EVAL_EVAL_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/model_runner.h"
#include "model/sink_window.h"
#include "model/token.h"

namespace perennial {

// What is measured, and how: the same for every stream of a run. What it points to must outlive the streams.
struct EvalSubject {
  ModelRunner* runner = nullptr;
  int32_t chunk_tokens = 128;  // >= 1, per step, at most what the runner takes; changes speed, not results
  int32_t loss_threads = 1;    // >= 1, that turn logits into losses
  // That the model was trained with: stands before every text, and nothing was ever predicted from it.
  std::optional<TokenId> sink_token = std::nullopt;

  // Called after every step: `done` of `total` tokens of `what`, a few words. May be empty.
  std::function<void(absl::string_view what, int64_t done, int64_t total)> progress = nullptr;
  // The clock of everything that is timed.
  std::function<absl::Time()> now = [] { return absl::Now(); };
  // Bytes of device memory in use; empty where the model runs on the CPU.
  std::function<int64_t()> device_bytes = nullptr;

  void Report(absl::string_view what, int64_t done, int64_t total) const {
    if (progress) progress(what, done, total);
  }
};

// INVALID_ARGUMENT naming chunk_tokens or the token, if a token is not the model's or chunk_tokens is below 1.
absl::Status CheckTokens(const EvalSubject& subject, absl::Span<const TokenId> tokens);

// What is evicted. Turn-wise needs turns: one begins at every `turn_tokens` tokens of the stream, or where BeginTurn
// says if `turn_tokens` is 0.
struct EvalEviction {
  EvictionPolicy policy = EvictionPolicy::kTokenWise;
  int64_t turn_tokens = 0;
};

// "token_wise", "turn_wise"; INVALID_ARGUMENT for other words.
absl::StatusOr<EvictionPolicy> ParseEvictionPolicy(absl::string_view word);

// -log softmax(logits)[token].
double Loss(absl::Span<const float> logits, TokenId token);

// The same for `next`, whose logits are those after `token`; NaN (not predicted) after the subject's sink token.
double LossAfter(const EvalSubject& subject, TokenId token, absl::Span<const float> logits, TokenId next);

// The token with the highest logit; the first one of equals.
TokenId Likeliest(absl::Span<const float> logits);

// exp(mean); NaNs, which stand for tokens that were not predicted, are left out. NaN if nothing is left.
double Perplexity(absl::Span<const double> losses);

// How well an expected text was predicted, each token from those before it.
struct Prediction {
  std::vector<double> losses;  // [tokens]
  bool exact = true;           // every token was the likeliest: greedy decoding would have given this text
};

// Errors are the runner's. After one, a stream is of no more use.
class EvalStream {
 public:
  static absl::StatusOr<EvalStream> Create(const EvalSubject& subject, const CacheShape& shape,
                                           EvalEviction eviction = {});

  // Feeds tokens, however many, in chunks.
  absl::Status Feed(absl::Span<const TokenId> tokens);
  // Feeds tokens and appends the loss of each one's successor: next[i] follows tokens[i]. REQUIRES: equal sizes.
  absl::Status FeedAndScore(absl::Span<const TokenId> tokens, absl::Span<const TokenId> next,
                            std::vector<double>& losses);
  // Feeds tokens, at least one, in chunks; the logits after the last one are in logits(). Of a single token it is a
  // step as a reply is decoded.
  absl::Status FeedForLogits(absl::Span<const TokenId> tokens);
  // Feeds `tokens`, whose last one `expected` should follow, then `expected` itself without its last token.
  absl::StatusOr<Prediction> Predict(absl::Span<const TokenId> tokens, absl::Span<const TokenId> expected);

  // Of the last token fed by FeedForLogits. Valid until the next call that feeds.
  absl::Span<const float> logits() const { return output_.Row(0); }

  // The next token to be fed starts a turn.
  void BeginTurn() { window_.BeginTurn(); }
  // Replaces the notes. REQUIRES: the sinks are fed; at most the shape's note_tokens.
  absl::Status SetNotes(absl::Span<const TokenId> tokens);
  // Forgets everything, the notes excepted; the cache's memory is kept.
  absl::Status Restart();
  // The same stream, from here on apart. Takes the memory of a second cache.
  absl::StatusOr<EvalStream> Fork() const;

  int64_t num_tokens() const { return window_.num_tokens(); }
  int64_t horizon() const { return window_.horizon(); }
  int64_t cache_bytes() const { return cache_->size_bytes(); }

 private:
  EvalStream(const EvalSubject& subject, SinkWindow window, EvalEviction eviction, std::unique_ptr<KvCache> cache);

  absl::Status Step(absl::Span<const TokenId> tokens, LogitRows rows);
  std::vector<int64_t> Advance(int64_t count);
  size_t chunk_tokens() const;

  const EvalSubject* subject_;
  SinkWindow window_;
  EvalEviction eviction_;
  std::unique_ptr<KvCache> cache_;
  StepOutput output_;  // of the last step
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_EVAL_STREAM_H_

// How one turn's reply is sampled: its parameters, the tokens that may not come yet or not at all, and what ends it.

#ifndef PERENNIAL_SERVER_ENGINE_REPLY_SAMPLER_H_
#define PERENNIAL_SERVER_ENGINE_REPLY_SAMPLER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/sampler.h"
#include "model/token.h"
#include "model/token_constraint.h"
#include "server/engine/engine.h"
#include "server/engine/recent_tokens.h"
#include "server/engine/turn.h"

namespace perennial {

// Engine thread only. Holds a sampler's memory (see Sampler) for as long as the turn runs.
class ReplySampler {
 public:
  // `model` must outlive this. REQUIRES: the spec was checked.
  ReplySampler(const TurnSpec& spec, const EngineModel* model);

  // Picks the token that comes after `generated` others of this reply, in a stream whose newest tokens are `recent`.
  // `scratch` is the caller's, so that turns share it. kNoToken: the model is broken.
  TokenId Sample(absl::Span<const float> logits, const RecentTokens& recent, int64_t generated,
                 std::vector<TokenId>& scratch);

  // The log-probabilities of the token that was sampled last are added to `logprobs`, if the turn asks for them.
  void AddLogprobs(TokenId token, std::vector<TurnLogprobs>& logprobs);

  bool IsEnd(TokenId token) const;   // of the model's end tokens
  bool IsStop(TokenId token) const;  // of the turn's own

  // A token that ends nothing was sampled. Not OK: the reply cannot go on (see TokenConstraint::Accept).
  absl::Status Accept(TokenId token);

  // The reply is complete, and its constraint lets nothing follow.
  bool Exhausted() const;

 private:
  const EngineModel* const model_;
  const std::vector<TokenId> stop_tokens_;
  const int64_t min_tokens_;
  const int32_t top_logprobs_;  // -1: none are asked for
  const bool needs_recent_;
  const size_t repetition_window_;
  std::vector<TokenId> enders_;  // end and stop tokens: banned before min_tokens
  std::vector<TokenId> banned_;  // after that

  const std::shared_ptr<TokenConstraint> constraint_;  // null: none
  std::vector<uint32_t> allowed_;                      // its tokens, and the end tokens where it is complete
  Sampler sampler_;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_REPLY_SAMPLER_H_

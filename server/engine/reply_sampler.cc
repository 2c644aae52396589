#include "server/engine/reply_sampler.h"

#include <algorithm>

#include "absl/strings/string_view.h"

namespace perennial {
namespace {

bool Contains(absl::Span<const TokenId> tokens, TokenId token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

void Allow(TokenId token, std::vector<uint32_t>& allowed) {
  const size_t word = static_cast<size_t>(token) / 32;
  if (word >= allowed.size()) allowed.resize(word + 1);
  allowed[word] |= uint32_t{1} << (static_cast<uint32_t>(token) % 32);
}

}  // namespace

ReplySampler::ReplySampler(const TurnSpec& spec, const EngineModel* model)
    : model_(model),
      stop_tokens_(spec.stop_tokens),
      min_tokens_(spec.min_tokens),
      top_logprobs_(spec.top_logprobs.value_or(-1)),
      needs_recent_(spec.sampling.needs_recent()),
      repetition_window_(static_cast<size_t>(spec.sampling.repetition_window)),
      enders_(model->end_tokens),
      constraint_(spec.constraint),
      sampler_(spec.sampling) {
  enders_.insert(enders_.end(), stop_tokens_.begin(), stop_tokens_.end());
  if (!spec.ignore_end_of_turn) return;
  // An end token that the turn names as a stop token is wanted.
  for (TokenId token : model->end_tokens) {
    if (!IsStop(token)) banned_.push_back(token);
  }
}

TokenId ReplySampler::Sample(absl::Span<const float> logits, const RecentTokens& recent, int64_t generated,
                             std::vector<TokenId>& scratch) {
  scratch.clear();
  if (needs_recent_) recent.CopyNewest(repetition_window_, scratch);
  SamplingInput input;
  input.logits = logits;
  input.recent = scratch;
  input.banned = generated < min_tokens_ ? enders_ : banned_;
  input.breakers = enders_;
  if (constraint_ != nullptr) {
    const absl::Span<const uint32_t> allowed = constraint_->allowed();
    allowed_.assign(allowed.begin(), allowed.end());
    if (constraint_->complete()) {
      for (TokenId token : model_->end_tokens) Allow(token, allowed_);
    }
    input.allowed = allowed_;
  }
  return sampler_.Sample(input);
}

void ReplySampler::AddLogprobs(TokenId token, std::vector<TurnLogprobs>& logprobs) {
  if (top_logprobs_ < 0) return;
  const auto named = [this](const TokenLogprob& one) {
    const absl::string_view bytes = model_->token_bytes(one.token);
    return TurnLogprob{one.token, std::string(bytes), one.logprob};
  };
  const Logprobs found = sampler_.LogprobsOf(token, top_logprobs_);
  TurnLogprobs& added = logprobs.emplace_back();
  added.chosen = named(found.chosen);
  for (const TokenLogprob& one : found.top) added.top.push_back(named(one));
}

bool ReplySampler::IsEnd(TokenId token) const { return Contains(model_->end_tokens, token); }

bool ReplySampler::IsStop(TokenId token) const { return Contains(stop_tokens_, token); }

absl::Status ReplySampler::Accept(TokenId token) {
  return constraint_ == nullptr ? absl::OkStatus() : constraint_->Accept(token);
}

bool ReplySampler::Exhausted() const {
  if (constraint_ == nullptr) return false;
  const absl::Span<const uint32_t> allowed = constraint_->allowed();
  return std::all_of(allowed.begin(), allowed.end(), [](uint32_t word) { return word == 0; });
}

}  // namespace perennial

#include "model/penalties.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace perennial {
namespace {

constexpr float kNeverBias = -100.0f;

float Finite(double logit) {
  return static_cast<float>(std::clamp(logit, double{-LogitBlocks::kLargest}, double{LogitBlocks::kLargest}));
}

bool Contains(absl::Span<const TokenId> tokens, TokenId token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

// lengths[k], k >= 1: how many of the newest tokens are those before the k-th newest, too: with t(0) the newest token,
// the largest L with t(i) == t(k + i) for all i < L. (The Z algorithm, on the tokens read backwards; linear.)
void FindRepeats(absl::Span<const TokenId> recent, std::vector<uint16_t>& lengths) {
  const size_t count = recent.size();
  const auto newest = [&recent, count](size_t i) { return recent[count - 1 - i]; };
  lengths.assign(count, 0);
  size_t begin = 0;  // [begin, end): the match that reaches furthest back
  size_t end = 0;
  for (size_t k = 1; k < count; ++k) {
    size_t length = k < end ? std::min<size_t>(end - k, lengths[k - begin]) : 0;
    while (k + length < count && newest(length) == newest(k + length)) ++length;
    lengths[k] = static_cast<uint16_t>(length);
    if (k + length > end) {
      begin = k;
      end = k + length;
    }
  }
}

}  // namespace

void Penalties::Apply(const SamplingParams& params, absl::Span<const TokenId> recent,
                      absl::Span<const TokenId> breakers, LogitBlocks& logits) {
  for (const LogitBias& bias : params.logit_bias) {
    if (!logits.Has(bias.token)) continue;
    const float logit = logits.Get(bias.token);
    logits.Set(bias.token, bias.bias <= kNeverBias || logit == LogitBlocks::kNever ? LogitBlocks::kNever
                                                                                   : Finite(double{logit} + bias.bias));
  }
  if (!params.needs_recent()) return;
  const size_t window = static_cast<size_t>(params.repetition_window);
  if (recent.size() > window) recent.remove_prefix(recent.size() - window);
  counts_.resize(logits.size());
  ApplyCounts(params, recent, logits);
  if (params.dry.multiplier > 0.0f) ApplyDry(params.dry, recent, breakers, logits);
}

void Penalties::ApplyCounts(const SamplingParams& params, absl::Span<const TokenId> recent, LogitBlocks& logits) {
  if (params.repetition_penalty == 1.0f && params.presence_penalty == 0.0f && params.frequency_penalty == 0.0f) return;
  counted_.clear();
  for (TokenId token : recent) {
    if (logits.Has(token) && counts_[static_cast<size_t>(token)]++ == 0) counted_.push_back(token);
  }
  for (TokenId token : counted_) {
    const int count = std::exchange(counts_[static_cast<size_t>(token)], uint16_t{0});
    float logit = logits.Get(token);
    if (logit == LogitBlocks::kNever) continue;
    logit = logit > 0.0f ? logit / params.repetition_penalty : logit * params.repetition_penalty;
    logits.Set(token, Finite(double{logit} - params.presence_penalty - double{params.frequency_penalty} * count));
  }
}

void Penalties::ApplyDry(const DryParams& dry, absl::Span<const TokenId> recent, absl::Span<const TokenId> breakers,
                         LogitBlocks& logits) {
  // The sequence that a token would continue begins after the newest breaker.
  size_t longest = 0;
  while (longest < recent.size() && !Contains(breakers, recent[recent.size() - 1 - longest])) ++longest;
  const size_t allowed = static_cast<size_t>(dry.allowed_length);
  if (longest < allowed) return;

  FindRepeats(recent, repeats_);
  counted_.clear();
  for (size_t k = 1; k < recent.size(); ++k) {
    const size_t length = std::min<size_t>(repeats_[k], longest);
    if (length < allowed) continue;
    const TokenId token = recent[recent.size() - k];  // came after that sequence
    if (!logits.Has(token) || Contains(breakers, token)) continue;
    uint16_t& most = counts_[static_cast<size_t>(token)];
    if (most == 0) counted_.push_back(token);
    most = std::max(most, static_cast<uint16_t>(length));
  }
  for (TokenId token : counted_) {
    const size_t length = std::exchange(counts_[static_cast<size_t>(token)], uint16_t{0});
    const float logit = logits.Get(token);
    if (logit == LogitBlocks::kNever) continue;
    const double penalty = dry.multiplier * std::pow(double{dry.base}, static_cast<double>(length - allowed));
    logits.Set(token, Finite(logit - penalty));
  }
}

}  // namespace perennial

// From a row of logits to the next token.

#ifndef PERENNIAL_MODEL_SAMPLER_H_
#define PERENNIAL_MODEL_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/logit_blocks.h"
#include "model/penalties.h"
#include "model/sampling_params.h"
#include "model/token.h"

namespace perennial {

// What one draw is made from. Ids outside of the vocabulary are ignored in all lists.
struct SamplingInput {
  absl::Span<const float> logits;      // [vocab_size]; -inf allowed; NaN counts as -inf, +inf as the largest number
  absl::Span<const TokenId> recent;    // the stream's newest tokens, oldest first; the last repetition_window count
  absl::Span<const TokenId> banned;    // must not be picked: end tokens that may not come yet
  absl::Span<const uint32_t> allowed;  // bit t % 32 of allowed[t / 32]: token t may be picked; empty: every token may
  absl::Span<const TokenId> breakers;  // DRY's sequences do not go across these, and these are never made less likely
};

struct TokenLogprob {
  TokenId token = kNoToken;
  float logprob = 0.0f;  // natural logarithm
};

// Log-probabilities at one draw: after penalties, allowed and banned tokens, before temperature.
struct Logprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;  // the most likely tokens, most likely first
};

// One turn's sampler. Holds its random state and scratch memory (about 8 bytes per vocabulary entry); not thread-safe.
//
// The same seed, logits and parameters give the same tokens on every machine: the random numbers are SplitMix64
// (Steele, Lea and Flood, 2014), one 64-bit value per draw, of which the upper 53 bits are the fraction u in [0, 1);
// nothing comes from the standard library's distributions. What is kept is drawn from in the order of token ids: the
// first token at which the running sum of probabilities exceeds u.
//
// Costs O(vocabulary): nothing is sorted. Whole blocks of tokens are skipped by their highest logit.
class Sampler {
 public:
  // A token that may be picked and how likely it is.
  struct Choice {
    TokenId token;
    double probability;
  };

  // REQUIRES: ValidateSamplingParams(params) is OK.
  explicit Sampler(const SamplingParams& params);

  // Picks the next token. Returns kNoToken if nothing can be picked (all logits are -inf, banned or not allowed): a
  // broken model.
  TokenId Sample(const SamplingInput& input);
  TokenId Sample(absl::Span<const float> logits, absl::Span<const TokenId> recent,
                 absl::Span<const TokenId> banned = {}) {
    return Sample(SamplingInput{.logits = logits, .recent = recent, .banned = banned, .allowed = {}, .breakers = {}});
  }

  // Of the last Sample: the log-probability of `chosen`, and the `top` most likely tokens that could have been picked.
  // Ties go to the lowest ids. REQUIRES: Sample returned `chosen`.
  Logprobs LogprobsOf(TokenId chosen, int32_t top);

  // The choices that Sample would draw from, in the order of token ids; empty where Sample returns kNoToken. Draws
  // nothing. Ties at the edge of top_k, typical_p and top_p go to the lowest ids.
  std::vector<Choice> Distribution(const SamplingInput& input);
  std::vector<Choice> Distribution(absl::Span<const float> logits, absl::Span<const TokenId> recent,
                                   absl::Span<const TokenId> banned = {}) {
    return Distribution(
        SamplingInput{.logits = logits, .recent = recent, .banned = banned, .allowed = {}, .breakers = {}});
  }

 private:
  struct Candidate {
    float logit;
    float weight;  // exp((logit - highest) / temperature): the probability but for a common factor
    TokenId token;
  };

  void Prepare(const SamplingInput& input);
  bool KeepsAll() const;
  bool HasTopK() const;
  float LowestOfBest(size_t count);
  void Gather(float lowest);
  void GatherWeights(float log_weight);
  template <typename Order>
  void KeepBest(size_t count, Order better);
  template <typename Order>
  void KeepMass(double mass, Order better);
  void KeepTopK();
  void KeepTypical();
  void KeepTypicalOfAll();
  void KeepTopP();
  void KeepMinP();
  void SumWeights();
  void Narrow();
  TokenId DrawFromAll(double fraction) const;
  double NextFraction();

  const SamplingParams params_;
  const float inverse_temperature_;  // 0 if greedy
  uint64_t random_state_;
  Penalties penalties_;

  LogitBlocks logits_;              // of the call, with penalties, bans and what is not allowed
  std::vector<double> block_mass_;  // [blocks]: sums of weights; only where the mass of the whole vocabulary is needed
  double total_mass_ = 0.0;         // of what is kept

  std::vector<Candidate> candidates_;  // what is kept, in the order of token ids
  std::vector<Candidate> selection_;   // scratch, in no order
  std::vector<float> block_scratch_;   // scratch, [blocks]
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_SAMPLER_H_

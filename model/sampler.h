// From a row of logits to the next token.

#ifndef PERENNIAL_MODEL_SAMPLER_H_
#define PERENNIAL_MODEL_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/token.h"

namespace perennial {

// How a turn samples. The order is fixed: repetition penalty, temperature, top-k, top-p, min-p, then one draw; that is
// the order of transformers' logits processors, which is also the golden reference.
struct SamplingParams {
  float temperature = 0.7f;         // 0 … 10; 0 is greedy (the highest logit, the lowest id among equals)
  int32_t top_k = 0;                // 0: off; else the k most likely tokens stay
  float top_p = 1.0f;               // (0, 1]; 1: off. The smallest set of most likely tokens with at least this mass
  float min_p = 0.0f;               // [0, 1]; 0: off. Tokens with at least min_p times the highest probability
  float repetition_penalty = 1.0f;  // (0, 10]; 1: off. Logits of recent tokens are divided (> 0) or multiplied (< 0)
  int32_t repetition_window = 256;  // 0 … 4096: how many of the stream's newest tokens count as recent
  uint64_t seed = 0;                // the same seed, stream and parameters give the same tokens
};

// INVALID_ARGUMENT with the field's path, a colon, its value and its limit: "sampling.top_p: 2 is not in (0, 1]". NaN
// is out of every range.
absl::Status ValidateSamplingParams(const SamplingParams& params);

// One turn's sampler. Holds its random state and scratch memory (12 bytes per vocabulary entry); not thread-safe.
//
// The same seed, logits and parameters give the same tokens on every machine: the random numbers are SplitMix64
// (Steele, Lea and Flood, 2014), one 64-bit value per draw, of which the upper 53 bits are the fraction u in [0, 1);
// nothing comes from the standard library's distributions. What is kept is drawn from in the order of token ids: the
// first token at which the running sum of probabilities exceeds u.
//
// Costs O(vocabulary): nothing is sorted. Whole blocks of 64 tokens are skipped by their highest logit.
class Sampler {
 public:
  // A token that may be picked and how likely it is.
  struct Choice {
    TokenId token;
    double probability;
  };

  // REQUIRES: ValidateSamplingParams(params) is OK.
  explicit Sampler(const SamplingParams& params);

  // Picks the next token. `logits`: [vocab_size], -inf allowed; NaN counts as -inf, +inf as the largest finite number.
  // `recent`: the stream's newest tokens, oldest first; the last repetition_window of them count. `banned`: tokens that
  // must not be picked (end tokens with ignore_end_of_turn). Ids outside of the vocabulary are ignored in both. Returns
  // kNoToken if nothing can be picked (all logits are -inf or banned): a broken model.
  TokenId Sample(absl::Span<const float> logits, absl::Span<const TokenId> recent,
                 absl::Span<const TokenId> banned = {});

  // The choices that Sample would draw from, in the order of token ids; empty where Sample returns kNoToken. Draws
  // nothing. Ties at the edge of top_k and top_p go to the lowest ids.
  std::vector<Choice> Distribution(absl::Span<const float> logits, absl::Span<const TokenId> recent,
                                   absl::Span<const TokenId> banned = {});

 private:
  struct Candidate {
    float logit;
    float weight;  // exp((logit - highest) / temperature): the probability but for a common factor
    TokenId token;
  };

  void Prepare(absl::Span<const float> logits, absl::Span<const TokenId> recent, absl::Span<const TokenId> banned);
  TokenId Highest() const;
  bool KeepsAll() const;
  void WeighAll();
  void Gather(float lowest);
  void GatherWeights(float log_weight);
  void KeepTopK();
  void KeepTopP();
  void Narrow();
  TokenId DrawFromAll(double fraction) const;
  double NextFraction();

  const SamplingParams params_;
  const float inverse_temperature_;  // 0 if greedy
  uint64_t random_state_;

  // The logits of the call, with penalties and bans, padded with -inf to whole blocks. [blocks * 64]
  std::vector<float> logits_;
  std::vector<float> block_highest_;  // [blocks]
  float highest_ = 0.0f;              // of all

  std::vector<float> weights_;      // [blocks * 64]; only where the mass of the whole vocabulary is needed
  std::vector<double> block_mass_;  // [blocks]: sums of weights_
  double total_mass_ = 0.0;

  std::vector<Candidate> candidates_;  // what is kept, in the order of token ids
  std::vector<Candidate> selection_;   // scratch, in no order
  std::vector<float> block_scratch_;   // scratch, [blocks]
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_SAMPLER_H_

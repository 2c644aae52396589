// A published model beside llama.cpp on the same GGUF file: its log-probabilities (tests/golden/logits/
// make_llama_cpp_logits.py) and ours after the same tokens.

#ifndef PERENNIAL_TESTS_MODEL_TORCH_LLAMA_CPP_ROWS_H_
#define PERENNIAL_TESTS_MODEL_TORCH_LLAMA_CPP_ROWS_H_

#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/token.h"
#include "tests/model/torch/default_model.h"

namespace perennial {

// One token of a reply.
struct LlamaCppRow {
  std::vector<std::pair<TokenId, double>> theirs;          // on the same file, highest first
  std::vector<std::pair<TokenId, double>> theirs_float32;  // on its float32 copy
  std::vector<double> ours;                                // [vocab_size], float32
};

// All rows of the golden file's prompts, in a cache that holds the longest of them. Failures are the test's; then fewer
// rows come back.
std::vector<LlamaCppRow> RowsBesideLlamaCpp(const Checkpoint& checkpoint, const std::string& golden_file);

// How far llama.cpp on the float32 copy is from us. Expects our most likely token to be its one wherever the next one
// is more than twice `bound` nats away.
Distance ToFloat32Copy(const std::vector<LlamaCppRow>& rows, double bound);

// How far llama.cpp on the file itself is from us.
Distance ToSameFile(const std::vector<LlamaCppRow>& rows);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_TORCH_LLAMA_CPP_ROWS_H_

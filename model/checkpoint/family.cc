#include "model/checkpoint/family.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

constexpr const Family* kFamilies[] = {&kLlamaFamily,    &kMistralFamily, &kQwen2Family,  &kQwen3Family,
                                       &kGemmaFamily,    &kGemma2Family,  &kGemma3Family, &kPhi3Family,
                                       &kStableLmFamily, &kFalconFamily,  &kMptFamily,    &kGptNeoxFamily};

// Architectures that people have, and that cannot be served; the beginning of what either format calls them.
struct Refused {
  absl::string_view hugging_face;
  absl::string_view gguf;
  absl::string_view reason;
};
constexpr absl::string_view kLearned =
    "it learns a vector for every absolute position, so that a stream cannot be longer than the training length";
constexpr Refused kRefused[] = {
    {"GPT2", "gpt2", kLearned},
    {"gpt2", "gpt2", kLearned},
    {"OPT", "opt", kLearned},
    {"opt", "opt", kLearned},
    {"GPTNeoForCausalLM", "gpt_neo", kLearned},
    {"gpt_neo", "gpt_neo", kLearned},
    {"GPTBigCode", "starcoder", kLearned},
    {"gpt_bigcode", "starcoder", kLearned},
    {"Llama4", "llama4", "its attention is cut into chunks at fixed positions of the text, not of the cache"},
    {"llama4", "llama4", "its attention is cut into chunks at fixed positions of the text, not of the cache"},
    {"Gemma3ForConditionalGeneration", "",
     "it reads images too; its text part is supported as Gemma3ForCausalLM or GGUF"},
    {"Mixtral", "", "mixtures of experts are not supported"},
};

absl::Status Unsupported(absl::string_view name, absl::string_view reason, absl::string_view format,
                         const std::vector<absl::string_view>& supported) {
  if (!reason.empty()) {
    return absl::UnimplementedError(absl::StrCat("architecture ", Quoted(name), " is not supported: ", reason));
  }
  return absl::UnimplementedError(absl::StrCat("architecture ", Quoted(name), " is not supported; supported in ",
                                               format, " are ", absl::StrJoin(supported, ", ")));
}

}  // namespace

absl::Span<const Family* const> Families() { return kFamilies; }

absl::StatusOr<const Family*> FindHuggingFaceFamily(absl::string_view name) {
  std::vector<absl::string_view> supported;
  for (const Family* family : kFamilies) {
    const absl::Span<const absl::string_view> own = family->hugging_face;
    if (std::find(own.begin(), own.end(), name) != own.end()) return family;
    if (!own.empty()) supported.push_back(own.front());
  }
  const auto refused = std::find_if(std::begin(kRefused), std::end(kRefused), [name](const Refused& entry) {
    return absl::StartsWith(name, entry.hugging_face);
  });
  return Unsupported(name, refused == std::end(kRefused) ? "" : refused->reason, "this format", supported);
}

absl::StatusOr<const Family*> FindGgufFamily(absl::string_view name) {
  std::vector<absl::string_view> supported;
  for (const Family* family : kFamilies) {
    if (family->gguf.empty()) continue;
    if (family->gguf == name) return family;
    supported.push_back(family->gguf);
  }
  const auto refused = std::find_if(std::begin(kRefused), std::end(kRefused),
                                    [name](const Refused& entry) { return !entry.gguf.empty() && name == entry.gguf; });
  return Unsupported(name, refused == std::end(kRefused) ? "" : refused->reason, "GGUF", supported);
}

std::vector<float> AlibiSlopes(int32_t num_heads, double max_bias) {
  constexpr int32_t kMostHeads = 1 << 20;  // more are refused later
  if (num_heads > kMostHeads) return {};
  int32_t power = 1;
  while (power * 2 <= num_heads) power *= 2;
  std::vector<float> slopes;
  for (int32_t head = 0; head < num_heads; ++head) {
    const double exponent = head < power ? head + 1.0 : (head - power) + 0.5;
    slopes.push_back(static_cast<float>(std::pow(2.0, -max_bias / power * exponent)));
  }
  return slopes;
}

}  // namespace perennial

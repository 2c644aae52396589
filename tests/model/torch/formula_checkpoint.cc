#include "tests/model/torch/formula_checkpoint.h"

#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

// FNV-1a, 64 bit.
uint64_t HashName(absl::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// SplitMix64.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

double FormulaUniform(absl::string_view name, int64_t index) {
  return 2.0 * (static_cast<double>(Mix(HashName(name) + static_cast<uint64_t>(index)) >> 40) / (1 << 24)) - 1.0;
}

float FormulaWeight(absl::string_view name, const std::vector<int64_t>& shape, int64_t index) {
  const double centred = FormulaUniform(name, index);
  if (absl::StrContains(name, "norm")) return static_cast<float>(1.0 + 0.25 * centred);
  if (absl::EndsWith(name, ".bias")) return static_cast<float>(0.5 * centred);
  if (absl::StrContains(name, "embed")) return static_cast<float>(centred);
  return static_cast<float>(2.5 * centred / std::sqrt(static_cast<double>(shape.back())));
}

ModelConfig SmallConfig() {
  ModelConfig config;
  config.architecture = "llama";
  config.vocab_size = 64;
  config.num_layers = 2;
  config.hidden_size = 48;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_size = 16;
  config.rotary_size = 16;
  config.feed_forward_size = 80;
  config.trained_tokens = 4096;
  config.end_tokens = {0};
  return config;
}

FormulaCheckpoint::FormulaCheckpoint(ModelConfig config) : config_(std::move(config)) {}

absl::StatusOr<TensorView> FormulaCheckpoint::Tensor(absl::string_view canonical_name,
                                                     const std::vector<int64_t>& expected_shape) const {
  const std::string name(canonical_name);
  int64_t count = 1;
  for (int64_t size : expected_shape) count *= size;
  std::vector<float>& values = values_[name];
  if (auto replaced = replaced_.find(name); replaced != replaced_.end()) {
    values = replaced->second;
    if (values.empty()) return absl::NotFoundError(absl::StrCat("no tensor ", name));
  } else {
    values.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) values[static_cast<size_t>(i)] = FormulaWeight(name, expected_shape, i);
  }
  TensorView view;
  view.name = name;
  view.type = TensorType::kF32;
  view.shape = expected_shape;
  view.bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float));
  return view;
}

}  // namespace perennial

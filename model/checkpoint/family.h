// A model family: how its checkpoints, of either format, are turned into a ModelConfig and canonical tensor names. This
// is all that a family is: the network that the description gives is computed by the same code for all of them.
//
// To add a family: write family_NAME.cc with one Family, declare it below, and list it in family.cc. ARCHITECTURE.md
// shows it on an example.

#ifndef PERENNIAL_MODEL_CHECKPOINT_FAMILY_H_
#define PERENNIAL_MODEL_CHECKPOINT_FAMILY_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/checkpoint/config_fields.h"
#include "model/checkpoint/gguf_reader.h"
#include "model/checkpoint/json_object.h"
#include "model/checkpoint/tensor_names.h"
#include "model/checkpoint/tensor_table.h"
#include "model/model_config.h"

namespace perennial {

// Views static memory.
struct Family {
  absl::string_view name = "";  // becomes ModelConfig::architecture

  // Hugging Face: what config.json says in "architectures" or "model_type".
  absl::Span<const absl::string_view> hugging_face = {};
  const TensorNames* hugging_face_names = nullptr;
  // Reads config.json into a ModelConfig with Llama's defaults: sizes, positions, everything that the family does its
  // own way; hugging_face_fields.h has the parts that many share. Name and tokens are read by the caller.
  absl::Status (*read_hugging_face)(const JsonObject& object, ModelConfig& config) = nullptr;

  // GGUF: general.architecture; empty if llama.cpp writes none that we read.
  absl::string_view gguf = "";
  const TensorNames* (*gguf_names)(const GgufFile& file) = nullptr;
  // Changes a ModelConfig that the caller has filled with what all architectures say in the same keys, and with what
  // the tensors tell (see ReadGgufConfig). `tensors` have canonical names.
  void (*read_gguf)(GgufFields& fields, const TensorTable& tensors, ModelConfig& config) = nullptr;
};

extern const Family kLlamaFamily, kMistralFamily;                // family_llama.cc
extern const Family kQwen2Family, kQwen3Family;                  // family_qwen.cc
extern const Family kGemmaFamily, kGemma2Family, kGemma3Family;  // family_gemma.cc
extern const Family kPhi3Family;                                 // family_phi3.cc
extern const Family kStableLmFamily;                             // family_stablelm.cc
extern const Family kFalconFamily;                               // family_falcon.cc
extern const Family kMptFamily;                                  // family_mpt.cc
extern const Family kGptNeoxFamily;                              // family_gpt_neox.cc

absl::Span<const Family* const> Families();

// The family that calls itself `name`. UNIMPLEMENTED with the reason (learned positions, chunked attention) or with the
// names of those that are supported.
absl::StatusOr<const Family*> FindHuggingFaceFamily(absl::string_view name);
absl::StatusOr<const Family*> FindGgufFamily(absl::string_view name);

// ALiBi's slopes for each head: powers of 2^(-max_bias / h), h being the next lower power of two (Press et al., 2022),
// then every second power of its square root for the heads that remain.
std::vector<float> AlibiSlopes(int32_t num_heads, double max_bias);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_FAMILY_H_

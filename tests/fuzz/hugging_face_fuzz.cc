// libFuzzer target: any bytes as the files of a Hugging Face directory. One input holds them all: texts in the order
// below, each ended by the byte 0x1E, then the first weights file up to the next 0x1E 0x1E, then the second.
//
//   config.json · tokenizer.json · tokenizer_config.json · generation_config.json · chat_template.jinja · index

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/checkpoint/hugging_face_checkpoint.h"
#include "model/checkpoint/safetensors_reader.h"
#include "tests/fuzz/touch.h"

namespace {

constexpr absl::string_view kTextEnd = "\x1E";
constexpr absl::string_view kWeightsEnd = "\x1E\x1E";

// Cuts off what stands before `end`; all of it if there is none.
absl::string_view TakeUntil(absl::string_view end, absl::string_view& rest) {
  const size_t found = rest.find(end);
  const absl::string_view taken = rest.substr(0, found);
  rest.remove_prefix(found == absl::string_view::npos ? rest.size() : found + end.size());
  return taken;
}

absl::Span<const std::byte> Bytes(absl::string_view text) {
  return absl::Span<const std::byte>(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  absl::string_view rest(reinterpret_cast<const char*>(data), size);
  perennial::HuggingFaceFiles files;
  for (absl::string_view* text : {&files.config, &files.tokenizer, &files.tokenizer_config, &files.generation_config,
                                  &files.chat_template, &files.index}) {
    *text = TakeUntil(kTextEnd, rest);
  }
  // As when a directory is opened: an index decides the names, otherwise there is one file.
  std::vector<std::string> names = {"model.safetensors"};
  if (!files.index.empty()) {
    absl::StatusOr<std::vector<std::string>> shards = perennial::ListShards(files.index);
    perennial::CheckOneLine(shards.status());
    if (shards.ok()) names = *shards;
  }
  for (size_t i = 0; i < names.size() && i < 2; ++i) {
    const absl::Span<const std::byte> bytes = Bytes(TakeUntil(kWeightsEnd, rest));
    files.weights.push_back({.file_name = names[i], .bytes = bytes});
    const absl::StatusOr<std::vector<perennial::TensorView>> tensors = perennial::ReadSafetensors(bytes);
    perennial::CheckOneLine(tensors.status());
    if (tensors.ok()) perennial::TouchTensors(bytes, *tensors);
  }
  perennial::TouchContents(perennial::ReadHuggingFaceContents(files));
  return 0;
}

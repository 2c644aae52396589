// One stream without end, from perenniald through gRPC: does the server's memory stay what it was when the cache was
// full, and is the last token as quick as the first ones?
//
//   endless_stream --perenniald=PATH [--model=PATH] [--tokens=N] [--cache_tokens=N] [-- flags of perenniald …]
//
// Without --model: a small random model (2 layers, byte-level vocabulary), written to a temporary folder; its replies
// are noise, and so a hard test of UTF-8. Prints one JSON object on standard output and a table on standard error. Exit
// code 1 if a bound of the project is broken: memory within 1 % of that with a full cache, time per token of the last
// tenth within 3 % of the second tenth (medians), text valid UTF-8.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/command/utf8.h"
#include "tests/e2e/chat_calls.h"
#include "tests/e2e/server_process.h"
#include "tests/model/torch/formula_checkpoint.h"

ABSL_FLAG(std::string, perenniald, "", "the server's program");
ABSL_FLAG(std::string, model, "", "GGUF file or Hugging Face directory; empty: a small random model");
ABSL_FLAG(int64_t, tokens, 100'000, "how many tokens are read");
ABSL_FLAG(int32_t, cache_tokens, 512, "capacity of the session");

namespace perennial {
namespace {

using nlohmann::json;

constexpr int kBlocks = 200;  // times are medians over blocks of tokens, 20 in a tenth

// Writes a Hugging Face directory of a model with two layers into `folder`.
std::vector<std::string> WriteSmallModel(const TemporaryFolder& folder) {
  std::ifstream golden(PERENNIAL_SOURCE_DIR "/tests/golden/text/byte_level.json");
  const json tokenizer = json::parse(golden)["tokenizer"];
  int64_t vocab = 0;
  for (const auto& [text, id] : tokenizer["model"]["vocab"].items()) vocab = std::max<int64_t>(vocab, id);
  for (const json& token : tokenizer["added_tokens"]) vocab = std::max<int64_t>(vocab, token["id"]);
  ++vocab;
  constexpr int64_t kHidden = 64, kHead = 16, kHeads = 4, kKeyHeads = 2, kInner = 96, kLayers = 2;
  const json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"vocab_size", vocab},
                       {"hidden_size", kHidden},
                       {"intermediate_size", kInner},
                       {"num_hidden_layers", kLayers},
                       {"num_attention_heads", kHeads},
                       {"num_key_value_heads", kKeyHeads},
                       {"hidden_act", "silu"},
                       {"max_position_embeddings", 8192},
                       {"rms_norm_eps", 1e-5},
                       {"tie_word_embeddings", true},
                       {"bos_token_id", 700},
                       {"eos_token_id", 701}};
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes = {{"model.embed_tokens.weight", {vocab, kHidden}},
                                                                      {"model.norm.weight", {kHidden}}};
  for (int layer = 0; layer < kLayers; ++layer) {
    const std::string prefix = absl::StrCat("model.layers.", layer, ".");
    shapes.insert(shapes.end(), {{prefix + "input_layernorm.weight", {kHidden}},
                                 {prefix + "post_attention_layernorm.weight", {kHidden}},
                                 {prefix + "self_attn.q_proj.weight", {kHeads * kHead, kHidden}},
                                 {prefix + "self_attn.k_proj.weight", {kKeyHeads * kHead, kHidden}},
                                 {prefix + "self_attn.v_proj.weight", {kKeyHeads * kHead, kHidden}},
                                 {prefix + "self_attn.o_proj.weight", {kHidden, kHeads * kHead}},
                                 {prefix + "mlp.gate_proj.weight", {kInner, kHidden}},
                                 {prefix + "mlp.up_proj.weight", {kInner, kHidden}},
                                 {prefix + "mlp.down_proj.weight", {kHidden, kInner}}});
  }
  json header;
  std::string weights;
  for (const auto& [name, shape] : shapes) {
    int64_t count = 1;
    for (const int64_t length : shape) count *= length;
    const size_t begin = weights.size();
    for (int64_t i = 0; i < count; ++i) {
      const float value = FormulaWeight(name, shape, i);
      weights.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, weights.size()}}};
  }
  const std::string header_text = header.dump();
  const uint64_t header_size = header_text.size();
  std::ofstream(folder.File("config.json")) << config.dump();
  std::ofstream(folder.File("tokenizer.json")) << tokenizer.dump();
  std::ofstream(folder.File("tokenizer_config.json"))
      << json({{"bos_token", "<|begin_of_text|>"}, {"eos_token", "<|eot_id|>"}}).dump();
  std::ofstream file(folder.File("model.safetensors"), std::ios::binary);
  file.write(reinterpret_cast<const char*>(&header_size), sizeof(header_size));
  file << header_text << weights;
  return {"--model=" + folder.File("."), "--chat_template=llama3"};
}

// Resident memory of a process in KiB.
int64_t ResidentKib(int pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    int64_t kib = 0;
    if (words >> name >> kib && name == "VmRSS:") return kib;
  }
  return 0;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

struct Measured {
  int64_t tokens = 0;
  int64_t bytes = 0;
  int64_t full_cache_kib = 0;
  int64_t end_kib = 0;
  int64_t most_kib = 0;  // from the full cache on
  bool valid_utf8 = true;
  std::vector<double> block_us;  // time per token of each block
};

Measured Measure(v1::ChatService::Stub& stub, int pid, int64_t tokens, int32_t cache_tokens) {
  Measured measured;
  v1::ChatRequest request = Say("", "Go on for ever.");
  request.mutable_config()->set_cache_tokens(cache_tokens);
  request.set_max_tokens(0);
  request.set_ignore_end_of_turn(true);
  request.mutable_sampling()->set_temperature(1.0f);
  request.mutable_sampling()->set_seed(1);
  grpc::ClientContext context;
  const auto reader = stub.Chat(&context, request);
  v1::ChatResponse response;
  // Memory counts from the second hundredth on, when the cache is full and every buffer has been used.
  const int64_t full_at = std::max<int64_t>(2 * cache_tokens, tokens / 50);
  int64_t block_begin = 0;
  absl::Time block_begin_at;
  while (measured.tokens < tokens && reader->Read(&response)) {
    if (!response.event().has_delta()) continue;
    const v1::Delta& delta = response.event().delta();
    if (measured.tokens == 0) block_begin_at = absl::Now();
    measured.tokens += delta.tokens();
    measured.bytes += static_cast<int64_t>(delta.text().size());
    measured.valid_utf8 &= !FindInvalidUtf8(delta.text()).has_value();
    if (measured.full_cache_kib == 0 && measured.tokens >= full_at) measured.full_cache_kib = ResidentKib(pid);
    if (measured.tokens - block_begin >= tokens / kBlocks) {
      const absl::Time now = absl::Now();
      measured.block_us.push_back(absl::ToDoubleMicroseconds(now - block_begin_at) /
                                  static_cast<double>(measured.tokens - block_begin));
      block_begin = measured.tokens;
      block_begin_at = now;
      if (measured.full_cache_kib > 0) measured.most_kib = std::max(measured.most_kib, ResidentKib(pid));
    }
  }
  measured.end_kib = ResidentKib(pid);
  context.TryCancel();
  while (reader->Read(&response)) continue;
  reader->Finish();
  return measured;
}

// The median of the blocks in tenth number `tenth`, from 0.
double TenthUs(const Measured& measured, size_t tenth) {
  const size_t blocks = measured.block_us.size();
  const auto begin = measured.block_us.begin();
  return Median(
      {begin + static_cast<int64_t>(tenth * blocks / 10), begin + static_cast<int64_t>((tenth + 1) * blocks / 10)});
}

int Run(std::vector<std::string> server_flags) {
  const TemporaryFolder folder;
  const std::string model = absl::GetFlag(FLAGS_model);
  std::vector<std::string> flags =
      model.empty() ? WriteSmallModel(folder) : std::vector<std::string>{absl::StrCat("--model=", model)};
  flags.insert(flags.end(), server_flags.begin(), server_flags.end());
  ServerProcess server(absl::GetFlag(FLAGS_perenniald), flags);
  const Measured measured = Measure(*Connect(server.address()), server.process().pid(), absl::GetFlag(FLAGS_tokens),
                                    absl::GetFlag(FLAGS_cache_tokens));
  const double memory_change =
      static_cast<double>(measured.end_kib - measured.full_cache_kib) / static_cast<double>(measured.full_cache_kib);
  const double second = TenthUs(measured, 1), last = TenthUs(measured, 9);
  const double time_change = last / second - 1;
  json tenths = json::array();
  for (size_t i = 0; i < 10; ++i) tenths.push_back(std::round(TenthUs(measured, i) * 10) / 10);
  const bool complete = measured.tokens >= absl::GetFlag(FLAGS_tokens);
  std::cout << json({{"tokens", measured.tokens},
                     {"text_bytes", measured.bytes},
                     {"valid_utf8", measured.valid_utf8},
                     {"full_cache_kib", measured.full_cache_kib},
                     {"end_kib", measured.end_kib},
                     {"most_kib", measured.most_kib},
                     {"memory_change", memory_change},
                     {"tenths_us_per_token", tenths},
                     {"time_change", time_change}})
                   .dump()
            << std::endl;
  std::cerr << absl::StrFormat("%d tokens, %d bytes of %s text\n", measured.tokens, measured.bytes,
                               measured.valid_utf8 ? "valid" : "INVALID");
  std::cerr << absl::StrFormat(
      "resident memory: %d KiB with a full cache, %d KiB at the end (%+.2f %%), %d KiB at most\n",
      measured.full_cache_kib, measured.end_kib, 100 * memory_change, measured.most_kib);
  std::cerr << absl::StrFormat("time per token: %.1f us in the second tenth, %.1f us in the last (%+.1f %%)\n", second,
                               last, 100 * time_change);
  if (!complete) std::cerr << server.process().output() << std::endl;
  return complete && measured.valid_utf8 && memory_change <= 0.01 && time_change <= 0.03 ? 0 : 1;
}

}  // namespace
}  // namespace perennial

int main(int argc, char* argv[]) {
  const std::vector<char*> positional = absl::ParseCommandLine(argc, argv);
  return perennial::Run({positional.begin() + 1, positional.end()});
}

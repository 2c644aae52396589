// perenniald without a model: the same server, engine, flags and signals on FakeModelRunner, whose replies are known.
// For end-to-end tests of everything but the network of the model itself.
//
// Its vocabulary is bytes (byte_prompt_renderer.h). A reply repeats what the model sees, backwards in the stream's
// order (Echoes): while nothing is forgotten, a session's second reply contains its first message. --model chooses
// more:
//   echo        the above
//   alphabet    --max_tokens letters chosen by a hash of everything that is visible; never ends by itself
//   slow        as alphabet, but each step takes 20 ms, so that a test can act in the middle of a turn
//   brisk       as alphabet, but each step takes 1 ms

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/flags.h"
#include "server/host_limits.h"
#include "server/options.h"
#include "server/serve.h"
#include "server/stop_signals.h"
#include "tests/fake_model_runner.h"
#include "tests/server/byte_prompt_renderer.h"

namespace perennial {
namespace {

std::vector<TokenId> Letters() {
  std::vector<TokenId> letters;
  for (TokenId letter = 'a'; letter <= 'z'; ++letter) letters.push_back(letter);
  return letters;
}

absl::StatusOr<FakeOptions> MakeFake(const ServerOptions& options) {
  FakeOptions fake;
  fake.vocab_size = kByteVocabSize;
  fake.max_tokens_per_step = options.engine.max_step_tokens;
  fake.cache_memory_bytes = options.cache_memory;
  if (options.model == "echo") {
    fake.script = Echoes(kByteAssistant, kByteEnd);
  } else if (options.model == "alphabet" || options.model == "slow" || options.model == "brisk") {
    fake.script = RepliesFrom(Letters(), kByteEnd, /*mean_length=*/1 << 30);
    if (options.model != "alphabet") {
      // A model that takes its time; nothing waits for it by this clock.
      const absl::Duration step = absl::Milliseconds(options.model == "slow" ? 20 : 1);
      fake.before_step = [step](absl::Span<const StepInput>) { absl::SleepFor(step); };
    }
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("--model: \"", options.model, "\" is not echo, alphabet, slow or brisk"));
  }
  return fake;
}

int ServeFake(const ServerOptions& options) {
  absl::StatusOr<FakeOptions> fake = MakeFake(options);
  if (!fake.ok()) {
    PrintStartError(fake.status());
    return kExitBadFlags;
  }
  FakeModelRunner runner(*std::move(fake));
  const BytePromptRenderer renderer;
  LoadedModel model;
  model.engine_model.runner = &runner;
  model.engine_model.token_bytes = BytePromptRenderer::TokenBytes;
  model.engine_model.end_tokens = {kByteEnd};
  model.engine_model.reply_end = {kByteEnd};
  model.facts = {.name = options.model, .architecture = "fake", .runner = runner.Description()};
  model.renderer = &renderer;
  model.default_sink_tokens = 4;
  return Serve(options, model);
}

}  // namespace
}  // namespace perennial

int main(int argc, char* argv[]) {
  perennial::BlockStopSignals();
  const perennial::HostLimits host = perennial::ReadHostLimits("", perennial::AffinityCpus());
  absl::StatusOr<perennial::ServerOptions> options = perennial::ParseFlags(argc, argv, host);
  absl::Status status = options.status();
  if (status.ok()) status = perennial::ValidateServerOptions(*options);
  if (!status.ok()) {
    perennial::PrintStartError(status);
    return perennial::kExitBadFlags;
  }
  perennial::SetUpLog(*options);
  return perennial::ServeFake(*options);
}

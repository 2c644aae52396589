// perenniald: serves one model over gRPC. The only file that knows both the server and model/torch.

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "model/checkpoint/checkpoint.h"
#include "model/torch/torch_model_runner.h"
#include "server/flags.h"
#include "server/host_limits.h"
#include "server/options.h"
#include "server/prompt_renderer.h"
#include "server/serve.h"
#include "server/stop_signals.h"

namespace perennial {
namespace {

// "models/SmolLM2.gguf" → "SmolLM2.gguf"; a directory's name, too.
std::string FileName(absl::string_view path) {
  path = absl::StripSuffix(path, "/");
  const size_t slash = path.rfind('/');
  return std::string(slash == absl::string_view::npos ? path : path.substr(slash + 1));
}

int LoadAndServe(const ServerOptions& options) {
  if (UsesCuda(options)) {
    if (absl::Status status = LoadTorchCuda(); !status.ok()) {
      PrintStartError(status);
      return kExitStartFailed;
    }
  }
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(options.model);
  if (!checkpoint.ok()) {
    PrintStartError(checkpoint.status());
    return kExitStartFailed;
  }
  absl::StatusOr<std::unique_ptr<TemplatePromptRenderer>> renderer =
      TemplatePromptRenderer::Create(**checkpoint, options.chat_template, options.template_fuel);
  if (!renderer.ok()) {
    PrintStartError(renderer.status());
    return kExitStartFailed;
  }
  absl::StatusOr<std::unique_ptr<ModelRunner>> runner =
      CreateTorchModelRunner(**checkpoint, TorchOptions{.device = options.device,
                                                        .dtype = options.dtype,
                                                        .cache_memory_bytes = options.cache_memory,
                                                        .max_tokens_per_step = options.engine.max_step_tokens,
                                                        .allow_untrained_length = options.allow_untrained_length,
                                                        .num_threads = options.threads});
  if (!runner.ok()) {
    PrintStartError(runner.status());
    return kExitStartFailed;
  }

  const ModelConfig& config = (*checkpoint)->config();
  const Tokenizer& tokenizer = (*renderer)->tokenizer();
  LoadedModel model;
  model.engine_model.runner = runner->get();
  model.engine_model.token_bytes = [&tokenizer](TokenId token) -> absl::string_view {
    return tokenizer.TokenBytes(token);
  };
  model.engine_model.end_tokens = config.end_tokens;
  model.engine_model.reply_end = (*renderer)->reply_end();
  model.engine_model.trim_leading_space = (*renderer)->trims_reply();
  model.facts.name = config.name.empty() ? FileName(options.model) : config.name;
  model.facts.architecture = config.architecture;
  model.facts.runner = (*runner)->Description();
  model.generation = (*checkpoint)->generation();
  model.default_sink_tokens = DefaultSinkTokens(config);
  model.renderer = renderer->get();
  checkpoint->reset();  // what it said is copied, and the weights are loaded: unmap the file
  return Serve(options, model);
}

}  // namespace
}  // namespace perennial

int main(int argc, char* argv[]) {
  perennial::BlockStopSignals();  // before any library starts a thread
  const perennial::HostLimits host = perennial::ReadHostLimits("", perennial::AffinityCpus());
  absl::StatusOr<perennial::ServerOptions> options = perennial::ParseFlags(argc, argv, host);
  absl::Status status = options.status();
  if (status.ok()) status = perennial::ValidateServerOptions(*options);
  if (status.ok() && options->model.empty()) {
    status = absl::InvalidArgumentError("--model: names no file; give a GGUF file or a Hugging Face directory");
  }
  if (!status.ok()) {
    perennial::PrintStartError(status);
    return perennial::kExitBadFlags;
  }
  perennial::SetUpLog(*options);
  return perennial::LoadAndServe(*options);
}

// perennial-eval: measures a model under sink-window attention. README and --help say how.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/eval/eval_model.h"
#include "model/eval/modes.h"
#include "model/eval/report.h"
#include "model/torch/torch_model_runner.h"

ABSL_FLAG(bool, json, false, "Print one JSON object on standard output, everything else on standard error.");
ABSL_FLAG(std::string, save, "", "Also write the JSON object to this file: ./dev eval makes plots from it.");

namespace perennial {
namespace {

constexpr absl::string_view kOutputFlags[] = {"json", "save"};

void PrintModes() {
  std::printf(
      "perennial-eval measures a model whose cache is bounded.\n\n  perennial-eval MODE --model=PATH [FLAGS]\n\n");
  for (const EvalMode& mode : EvalModes()) {
    std::printf("  %-11s %s\n", std::string(mode.name).c_str(), std::string(mode.summary).c_str());
  }
  std::printf(
      "\nperennial-eval MODE --help explains a mode and its flags. Figures and tables are those of the paper\n"
      "(Xiao et al., ICLR 2024, arXiv 2309.17453).\n");
}

void PrintFlags(const char* title, absl::Span<const absl::string_view> names) {
  std::printf("\n%s\n", title);
  for (const absl::string_view name : names) {
    const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    std::printf("  --%s=%s\n      %s\n", std::string(name).c_str(), flag->CurrentValue().c_str(), flag->Help().c_str());
  }
}

void PrintHelp(const EvalMode& mode) {
  std::printf("perennial-eval %s: %s.\n\n%s\n", std::string(mode.name).c_str(), std::string(mode.summary).c_str(),
              std::string(mode.explanation).c_str());
  PrintFlags("Flags of this mode:", mode.flags);
  PrintFlags("Flags of every mode:", CommonEvalFlags());
  PrintFlags("Output:", kOutputFlags);
}

// Known flags that the mode does not read would be ignored in silence.
absl::Status CheckFlagsOf(const EvalMode& mode, absl::Span<char* const> arguments) {
  const auto has = [](absl::Span<const absl::string_view> names, absl::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const absl::string_view argument : arguments) {
    if (!absl::StartsWith(argument, "-")) continue;
    absl::string_view name = argument.substr(
        argument.find_first_not_of('-') == absl::string_view::npos ? argument.size() : argument.find_first_not_of('-'));
    name = name.substr(0, name.find('='));
    if (absl::FindCommandLineFlag(name) == nullptr) name = absl::StripPrefix(name, "no");  // --nobos
    const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    if (flag == nullptr || !absl::StrContains(flag->Filename(), "model/eval/")) continue;  // Abseil's own, or unknown
    if (has(mode.flags, name) || has(CommonEvalFlags(), name) || has(kOutputFlags, name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " is no flag of ", mode.name, " (perennial-eval ", mode.name, " --help lists them)"));
  }
  return absl::OkStatus();
}

absl::Status Output(const Report& report) {
  const std::string& path = absl::GetFlag(FLAGS_save);
  if (!path.empty() && !(std::ofstream(path) << ReportJson(report) << '\n')) {
    return absl::UnavailableError(absl::StrCat(path, ": cannot be written"));
  }
  if (absl::GetFlag(FLAGS_json)) {
    std::printf("%s\n", ReportJson(report).c_str());
  } else {
    std::fputs(ReportText(report).c_str(), stdout);
  }
  return absl::OkStatus();
}

// On a terminal only. The time that is left is of what is going on now.
void ShowProgress(EvalModelOptions& options) {
  if (isatty(STDERR_FILENO) == 0) return;
  options.progress = [last = std::string(), start = absl::Now(), shown = absl::InfinitePast()](
                         absl::string_view what, int64_t done, int64_t total) mutable {
    const absl::Time now = absl::Now();
    if (last != what) {
      last = std::string(what);
      start = now;
    }
    if (done < total && now - shown < absl::Milliseconds(100)) return;
    shown = now;
    std::fprintf(stderr, "\r%s\033[K%s", ProgressBar(what, done, total, now - start).c_str(),
                 done == total ? "\n" : "");
  };
}

absl::Status Run(const EvalMode& mode, const std::string& command) {
  absl::Status named = CheckInputs(mode);
  if (!named.ok()) return named;
  EvalModelOptions options = EvalModelOptionsFromFlags();
  ShowProgress(options);
  EvalModel model(std::move(options));
  auto report = mode.run(model);
  if (!report.ok()) return report.status();
  ReportRow facts = {{"mode", std::string(mode.name)},
                     {"command", command},
                     {"runner", model.Subject().runner->Description()},
                     {"date", absl::FormatTime("%Y-%m-%d", absl::Now(), absl::UTCTimeZone())}};
  report->facts.insert(report->facts.begin(), facts.begin(), facts.end());
  return Output(*report);
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "perennial-eval: %s\n", std::string(status.message()).c_str());
  constexpr int kUsageError = 2;
  return status.code() == absl::StatusCode::kInvalidArgument ? kUsageError : 1;
}

int Main(int argc, char** argv) {
  const absl::Span<char* const> words(argv, static_cast<size_t>(argc));
  const auto is_help = [](absl::string_view word) { return word == "--help" || word == "-help" || word == "-h"; };
  const bool help = std::any_of(words.begin(), words.end(), is_help);
  const EvalMode* mode = argc > 1 ? FindEvalMode(argv[1]) : nullptr;
  if (mode == nullptr) {
    if (help) {
      PrintModes();
      return 0;
    }
    return Fail(absl::InvalidArgumentError("say what to measure: perennial-eval MODE … (--help lists the modes)"));
  }
  for (const auto& [name, value] : mode->defaults) {
    std::string error;
    absl::FindCommandLineFlag(name)->ParseFrom(value, &error);
  }
  if (help) {
    PrintHelp(*mode);
    return 0;
  }
  const absl::Status flags = CheckFlagsOf(*mode, words.subspan(2));
  if (!flags.ok()) return Fail(flags);
  const std::string command = absl::StrCat("perennial-eval ", absl::StrJoin(words.subspan(1), " "));
  const std::vector<char*> left = absl::ParseCommandLine(argc, argv);
  if (left.size() > 2) return Fail(absl::InvalidArgumentError(absl::StrCat("\"", left[2], "\" is no flag")));
  // Before anything uses torch. Why it failed is only of interest if CUDA is asked for.
  if (absl::StartsWith(EvalModelOptionsFromFlags().torch.device, "cuda")) {
    const absl::Status cuda = LoadTorchCuda();
    if (!cuda.ok()) std::fprintf(stderr, "perennial-eval: %s\n", std::string(cuda.message()).c_str());
  }
  const absl::Status status = Run(*mode, command);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace
}  // namespace perennial

int main(int argc, char** argv) { return perennial::Main(argc, argv); }

// The modes of perennial-eval as a table: name, what it is for, its flags, and what it runs. A new mode is a line there
// and a function that turns flags into a report; the measuring itself is elsewhere, and knows no flags.

#ifndef PERENNIAL_MODEL_EVAL_MODES_H_
#define PERENNIAL_MODEL_EVAL_MODES_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/eval/eval_model.h"
#include "model/eval/report.h"

namespace perennial {

struct EvalMode {
  absl::string_view name;
  absl::string_view summary;             // half a line, for the list of modes
  absl::string_view explanation;         // for the mode's own --help: what is measured, how to read it, an example
  std::vector<absl::string_view> flags;  // its own, beside those of every mode
  std::vector<std::pair<absl::string_view, absl::string_view>> defaults;  // where they differ from the flags' own
  // REQUIRES: CheckInputs is OK. Checks the other flags, opens the model, measures, and reports.
  absl::StatusOr<Report> (*run)(EvalModel& model);
};

// In the order of the list.
absl::Span<const EvalMode> EvalModes();

// nullptr if there is none of that name.
const EvalMode* FindEvalMode(absl::string_view name);

// Flags that every mode has.
absl::Span<const absl::string_view> CommonEvalFlags();

// INVALID_ARGUMENT if the flag of the model, or of another file that the mode reads, is missing.
absl::Status CheckInputs(const EvalMode& mode);

// What the common flags say of the model.
EvalModelOptions EvalModelOptionsFromFlags();

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_MODES_H_

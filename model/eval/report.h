// What a measurement found, in one form for every mode: facts about the whole, and tables whose rows are flat. From it
// come the JSON that scripts and plot.py read, and the text that people read. Also how progress is shown.

#ifndef PERENNIAL_MODEL_EVAL_REPORT_H_
#define PERENNIAL_MODEL_EVAL_REPORT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace perennial {

// Names say the unit ("seconds", "cache_bytes"). A number that is not one (nothing was measured) is null in JSON.
using ReportValue = std::variant<int64_t, double, bool, std::string>;
using ReportRow = std::vector<std::pair<std::string, ReportValue>>;  // in the order that is shown

// Rows should have the same names, so that they make columns; a row may lack some.
struct ReportTable {
  std::string name;
  std::vector<ReportRow> rows = {};
  bool for_plots = false;  // too long for people: in the JSON only
};

struct Report {
  ReportRow facts;
  std::vector<ReportTable> tables;
  std::string conclusion;  // a sentence for people; may be empty

  // Adds a table and returns it; valid until the next one is added.
  ReportTable& AddTable(std::string name, bool for_plots = false);

  // REQUIRES, of these three: it is there, and a number (an integer or not). For tests and modes that build on others.
  double Fact(absl::string_view name) const;
  const ReportTable& Table(absl::string_view name) const;
  double Number(absl::string_view table, size_t row, absl::string_view name) const;
};

// One JSON object on one line: the facts, then every table as an array of objects under its name, then the conclusion.
std::string ReportJson(const Report& report);

// Several lines for people: the facts, then the tables in columns, then the conclusion.
std::string ReportText(const Report& report);

// One line without an end: "4 sinks [#########           ]  45 %  1800/3999 tokens, 12 s left". `done` in 0 … total;
// `what` may be empty.
std::string ProgressBar(absl::string_view what, int64_t done, int64_t total, absl::Duration elapsed);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_REPORT_H_

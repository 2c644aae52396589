#include "model/eval/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/check.h"

namespace perennial {
namespace {

const ReportValue& Find(const ReportRow& row, absl::string_view name) {
  const auto found = std::find_if(row.begin(), row.end(), [&](const auto& entry) { return entry.first == name; });
  PERENNIAL_CHECK(found != row.end());
  return found->second;
}

double AsNumber(const ReportValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return static_cast<double>(*integer);
  const auto* number = std::get_if<double>(&value);
  PERENNIAL_CHECK(number != nullptr);
  return *number;
}

nlohmann::ordered_json RowJson(const ReportRow& row) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, value] : row) {
    std::visit([&, &key = name](const auto& content) { json[key] = content; }, value);
  }
  return json;
}

// Six digits are enough for people; the JSON has all.
std::string Shown(const ReportValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return absl::StrCat(*integer);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "yes" : "no";
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  const double number = std::get<double>(value);
  return std::isnan(number) ? "-" : absl::StrFormat("%.6g", number);
}

void AppendTable(const ReportTable& table, std::string& text) {
  std::vector<std::string> names;
  std::map<std::string, size_t> widths;
  for (const ReportRow& row : table.rows) {
    for (const auto& [name, value] : row) {
      const auto [width, is_new] = widths.try_emplace(name, name.size());
      if (is_new) names.push_back(name);
      width->second = std::max(width->second, Shown(value).size());
    }
  }
  absl::StrAppend(&text, "\n", table.name, "\n");
  for (const std::string& name : names)
    absl::StrAppend(&text, "  ", std::string(widths[name] - name.size(), ' '), name);
  absl::StrAppend(&text, "\n");
  for (const ReportRow& row : table.rows) {
    for (const std::string& name : names) {
      const auto found = std::find_if(row.begin(), row.end(), [&](const auto& entry) { return entry.first == name; });
      const std::string shown = found == row.end() ? "" : Shown(found->second);
      absl::StrAppend(&text, "  ", std::string(widths[name] - shown.size(), ' '), shown);
    }
    absl::StrAppend(&text, "\n");
  }
}

}  // namespace

ReportTable& Report::AddTable(std::string name, bool for_plots) {
  tables.push_back({.name = std::move(name), .rows = {}, .for_plots = for_plots});
  return tables.back();
}

double Report::Fact(absl::string_view name) const { return AsNumber(Find(facts, name)); }

const ReportTable& Report::Table(absl::string_view name) const {
  const auto found = std::find_if(tables.begin(), tables.end(), [&](const auto& table) { return table.name == name; });
  PERENNIAL_CHECK(found != tables.end());
  return *found;
}

double Report::Number(absl::string_view table, size_t row, absl::string_view name) const {
  const ReportTable& found = Table(table);
  PERENNIAL_CHECK(row < found.rows.size());
  return AsNumber(Find(found.rows[row], name));
}

std::string ReportJson(const Report& report) {
  nlohmann::ordered_json json = RowJson(report.facts);
  for (const ReportTable& table : report.tables) {
    nlohmann::ordered_json& rows = json[table.name] = nlohmann::ordered_json::array();
    for (const ReportRow& row : table.rows) rows.push_back(RowJson(row));
  }
  if (!report.conclusion.empty()) json["conclusion"] = report.conclusion;
  return json.dump();
}

std::string ReportText(const Report& report) {
  std::string text;
  for (const auto& [name, value] : report.facts) absl::StrAppend(&text, name, ": ", Shown(value), "\n");
  for (const ReportTable& table : report.tables) {
    if (!table.for_plots) AppendTable(table, text);
  }
  if (!report.conclusion.empty()) absl::StrAppend(&text, "\n", report.conclusion, "\n");
  return text;
}

std::string ProgressBar(absl::string_view what, int64_t done, int64_t total, absl::Duration elapsed) {
  constexpr int kWidth = 30;
  const double part = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  const int filled = static_cast<int>(part * kWidth);
  const std::string bar = std::string(filled, '#') + std::string(kWidth - filled, ' ');
  std::string line = absl::StrFormat("%s%s[%s] %3d %%  %d/%d tokens", what, what.empty() ? "" : " ", bar,
                                     static_cast<int>(part * 100), done, total);
  if (part > 0 && part < 1) {
    const double left = absl::ToDoubleSeconds(elapsed) * (1 - part) / part;
    line += absl::StrFormat(", %.0f s left", std::ceil(left));
  }
  return line;
}

}  // namespace perennial

#include "model/checkpoint/tensor_names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace perennial {
namespace {

// The canonical word, or the file's own if the table does not list it.
absl::string_view Translate(absl::Span<const TensorWord> words, absl::string_view file) {
  const auto found =
      std::find_if(words.begin(), words.end(), [file](const TensorWord& word) { return word.file == file; });
  return found == words.end() ? file : found->canonical;
}

}  // namespace

std::string CanonicalName(const TensorNames& names, absl::string_view name) {
  absl::string_view rest = absl::StripPrefix(name, names.prefix);
  const size_t last_dot = rest.rfind('.');
  if (last_dot == absl::string_view::npos) return std::string(rest);
  const absl::string_view kind = rest.substr(last_dot);
  absl::string_view part = rest.substr(0, last_dot);
  if (kind != ".weight" && kind != ".bias") return std::string(rest);
  if (!absl::ConsumePrefix(&part, names.layer)) return absl::StrCat(Translate(names.whole, part), kind);
  const size_t dot = part.find('.');
  const absl::string_view number = part.substr(0, dot);
  if (dot == absl::string_view::npos || !std::all_of(number.begin(), number.end(), absl::ascii_isdigit)) {
    return std::string(rest);
  }
  return absl::StrCat("layers.", number, ".", Translate(names.per_layer, part.substr(dot + 1)), kind);
}

bool IsUnused(const TensorNames& names, absl::string_view name) {
  return std::any_of(names.unused.begin(), names.unused.end(),
                     [name](absl::string_view ending) { return absl::EndsWith(name, ending); });
}

}  // namespace perennial

#include "tests/architecture_rules.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace perennial {
namespace {

bool HasExtension(const std::string& path, std::initializer_list<absl::string_view> extensions) {
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](absl::string_view extension) { return absl::EndsWith(path, extension); });
}

bool IsCpp(const std::string& path) { return HasExtension(path, {".h", ".cc"}); }

bool IsCode(const std::string& path) {
  return HasExtension(path, {".h", ".cc", ".rs", ".proto", ".py", ".sh"}) || path == "dev" || path == ".ci/run";
}

bool IsUnder(absl::string_view path, absl::string_view folder) {
  return absl::StartsWith(path, absl::StrCat(folder, "/"));
}

bool IsProduct(const std::string& path) {
  return IsUnder(path, "model") || IsUnder(path, "server") || IsUnder(path, "client");
}

// "model/torch/rope.h" → "model/torch": the deepest layer that holds the file; "" for everything else.
std::string LayerOf(absl::string_view path) {
  for (const char* layer : {"model/torch", "model/eval", "server/engine", "model", "server", "client", "proto"}) {
    if (IsUnder(path, layer)) return layer;
  }
  // Generated headers are included without the folder.
  if (IsUnder(path, "perennial/v1") || IsUnder(path, "google/rpc") || IsUnder(path, "grpc/health")) return "proto";
  return "";
}

const std::map<std::string, std::set<std::string>>& AllowedArrows() {
  static const auto* const arrows = new std::map<std::string, std::set<std::string>>{
      {"proto", {}},
      {"model", {"model"}},
      {"model/torch", {"model/torch", "model"}},
      {"model/eval", {"model/eval", "model/torch", "model"}},
      {"server/engine", {"server/engine", "model"}},
      {"server", {"server", "server/engine", "model", "proto"}},
      {"client", {"client", "proto"}},
  };
  return *arrows;
}

// The paths between quotes or angle brackets of a file's #include lines.
std::vector<std::string> IncludesOf(const std::string& text) {
  static const std::regex* const pattern = new std::regex(R"((?:^|\n)\s*#\s*include\s+["<]([^">]+)[">])");
  std::vector<std::string> includes;
  for (std::sregex_iterator match(text.begin(), text.end(), *pattern), end; match != end; ++match) {
    includes.push_back((*match)[1]);
  }
  return includes;
}

bool IsTorchHeader(absl::string_view path) {
  return IsUnder(path, "torch") || IsUnder(path, "ATen") || IsUnder(path, "c10");
}

bool IsGrpcHeader(absl::string_view path) {
  return IsUnder(path, "grpcpp") || IsUnder(path, "grpc") || IsUnder(path, "google/protobuf") ||
         absl::EndsWith(path, ".pb.h");
}

struct LibrariesSeen {
  bool torch = false;
  bool grpc = false;
};

// What `path` sees, through headers of ours too.
void CollectLibraries(const SourceTree& tree, const std::string& path, std::set<std::string>& visited,
                      LibrariesSeen& seen) {
  const auto file = tree.find(path);
  if (file == tree.end() || !visited.insert(path).second) return;
  for (const std::string& include : IncludesOf(file->second)) {
    seen.torch |= IsTorchHeader(include);
    seen.grpc |= IsGrpcHeader(include);
    CollectLibraries(tree, include, visited, seen);
  }
}

size_t CountLines(const std::string& text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')); }

// "kv_cache-pool" and "KvCachePool" → {"kv", "cache", "pool"}.
std::vector<std::string> WordsOf(absl::string_view name) {
  std::vector<std::string> words(1);
  for (const char c : name) {
    const bool is_separator = !std::isalnum(static_cast<unsigned char>(c));
    if (is_separator || std::isupper(static_cast<unsigned char>(c))) words.emplace_back();
    if (!is_separator) words.back().push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return words;
}

std::string EmptyWordIn(absl::string_view name) {
  static const auto* const empty_words = new std::set<std::string>{
      "conversation", "manager", "helper", "helpers", "util", "utils", "handler", "handlers", "data", "info", "impl"};
  for (const std::string& word : WordsOf(name)) {
    if (empty_words->count(word) > 0) return word;
  }
  return "";
}

bool IsIgnored(const std::filesystem::path& path) {
  static const auto* const ignored =
      new std::set<std::string>{".git", ".deps", "build", "target", "__pycache__", "node_modules", ".cache", ".vscode"};
  return ignored->count(path.filename().string()) > 0;
}

}  // namespace

SourceTree ReadSourceTree(const std::string& top) {
  namespace fs = std::filesystem;
  SourceTree tree;
  for (fs::recursive_directory_iterator entry(top), end; entry != end; ++entry) {
    if (IsIgnored(entry->path())) {
      entry.disable_recursion_pending();
      continue;
    }
    if (!entry->is_regular_file()) continue;
    std::ifstream file(entry->path(), std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (absl::StrContains(text, absl::string_view("\0", 1))) continue;
    tree[fs::relative(entry->path(), top).generic_string()] = std::move(text);
  }
  return tree;
}

Violations IncludesAgainstTheArrows(const SourceTree& tree) {
  Violations violations;
  for (const auto& [path, text] : tree) {
    const std::string from = LayerOf(path);
    if (!IsCpp(path) || from.empty()) continue;
    for (const std::string& include : IncludesOf(text)) {
      const std::string to = LayerOf(include);
      const bool is_wiring = path == "server/main.cc" && to == "model/torch";
      if (IsUnder(include, "tests")) {
        violations.push_back(absl::StrCat(path, ": includes ", include, ", which belongs to the tests"));
      } else if (!to.empty() && AllowedArrows().at(from).count(to) == 0 && !is_wiring) {
        violations.push_back(absl::StrCat(path, ": includes ", include, "; ", from, " must not know ", to));
      }
    }
  }
  return violations;
}

Violations MisplacedLibraries(const SourceTree& tree) {
  Violations violations;
  for (const auto& [path, text] : tree) {
    if (!IsCpp(path)) continue;
    const std::string layer = LayerOf(IsUnder(path, "tests") ? path.substr(6) : path);
    const bool may_torch = layer == "model/torch" || layer == "model/eval";
    const bool may_grpc = layer == "server" || layer == "client" || IsUnder(path, "tests/e2e");
    for (const std::string& include : IncludesOf(text)) {
      if (IsTorchHeader(include) && !may_torch) {
        violations.push_back(absl::StrCat(path, ": includes ", include, "; torch stays in model/torch and model/eval"));
      }
      if (IsGrpcHeader(include) && !may_grpc) {
        violations.push_back(absl::StrCat(path, ": includes ", include, "; gRPC stays in server/ and client/"));
      }
    }
    std::set<std::string> visited;
    LibrariesSeen seen;
    if (absl::EndsWith(path, ".cc")) CollectLibraries(tree, path, visited, seen);
    if (seen.torch && seen.grpc) violations.push_back(absl::StrCat(path, ": sees both torch and gRPC headers"));
  }
  return violations;
}

Violations LongFiles(const SourceTree& tree, size_t max_lines) {
  Violations violations;
  for (const auto& [path, text] : tree) {
    if (IsCode(path) && CountLines(text) > max_lines) {
      violations.push_back(
          absl::StrCat(path, ": ", CountLines(text), " lines, more than ", max_lines, "; split it along a contract"));
    }
  }
  return violations;
}

Violations UntestedSources(const SourceTree& tree, const std::map<std::string, std::string>& exceptions) {
  Violations violations;
  std::set<std::string> untested;
  for (const auto& [path, text] : tree) {
    if (!IsProduct(path) || !absl::EndsWith(path, ".cc")) continue;
    const std::string test = absl::StrCat("tests/", path.substr(0, path.size() - 3), "_test.cc");
    if (tree.count(test) > 0) continue;
    untested.insert(path);
    if (exceptions.count(path) == 0) violations.push_back(absl::StrCat(path, ": has no ", test));
  }
  for (const auto& [path, reason] : exceptions) {
    if (untested.count(path) == 0) violations.push_back(absl::StrCat(path, ": needs no exception (", reason, ")"));
  }
  return violations;
}

Violations UnexplainedHeaders(const SourceTree& tree, size_t min_percent, size_t min_mean_percent) {
  Violations violations;
  size_t all_lines = 0;
  size_t all_comments = 0;
  for (const auto& [path, text] : tree) {
    if (!IsProduct(path) || !absl::EndsWith(path, ".h")) continue;
    size_t lines = 0;
    size_t comments = 0;
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
      const absl::string_view words = absl::StripLeadingAsciiWhitespace(line);
      const bool is_c_comment = absl::StartsWith(words, "/*") || absl::StartsWith(words, "*");
      ++lines;
      comments += is_c_comment || absl::StrContains(line, "//") ? 1 : 0;
    }
    all_lines += lines;
    all_comments += comments;
    if (lines >= 30 && comments * 100 < lines * min_percent) {
      violations.push_back(absl::StrCat(path, ": ", comments * 100 / lines,
                                        " % of its lines carry a comment, less than ", min_percent,
                                        " %; say purpose, units, owner, thread and errors"));
    }
  }
  if (all_comments * 100 < all_lines * min_mean_percent) {
    violations.push_back(absl::StrCat("all headers: ", all_comments * 100 / all_lines, " % comment, less than ",
                                      min_mean_percent, " %"));
  }
  return violations;
}

Violations UnfinishedWork(const SourceTree& tree) {
  // Written in halves, so that this file does not find itself.
  static const std::regex* const marks = new std::regex(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK|for no"
      "w|not implemented ye"
      "t)\\b");
  Violations violations;
  for (const auto& [path, text] : tree) {
    if (!IsCode(path) && !absl::EndsWith(path, "CMakeLists.txt")) continue;
    std::smatch match;
    if (std::regex_search(text, match, *marks)) {
      violations.push_back(absl::StrCat(path, ": says \"", match.str(), "\"; finish it, or open an issue"));
    }
  }
  return violations;
}

Violations EmptyNames(const SourceTree& tree) {
  static const std::regex* const types =
      new std::regex(R"((?:^|\n)\s*(?:class|struct|enum class|enum)\s+(\w+)\s*[:{f])");
  Violations violations;
  for (const auto& [path, text] : tree) {
    if (!IsCode(path)) continue;
    const std::string in_file_name = EmptyWordIn(std::filesystem::path(path).stem().string());
    if (!in_file_name.empty()) {
      violations.push_back(absl::StrCat(path, ": \"", in_file_name, "\" in a file name says nothing"));
    }
    if (!IsCpp(path)) continue;
    for (std::sregex_iterator match(text.begin(), text.end(), *types), end; match != end; ++match) {
      const std::string in_type = EmptyWordIn((*match)[1].str());
      if (!in_type.empty()) {
        violations.push_back(absl::StrCat(path, ": \"", in_type, "\" in the type name ", (*match)[1].str()));
      }
    }
  }
  return violations;
}

Violations UntrustworthyTests(const SourceTree& tree) {
  static const std::regex* const marks = new std::regex(
      "\\b(sleep"
      "_for|Sleep"
      "For|us"
      "leep|nano"
      "sleep|sleep"
      "_until)\\b|\\bDIS"
      "ABLED_|GTEST"
      "_SKIP");
  Violations violations;
  for (const auto& [path, text] : tree) {
    if (!absl::EndsWith(path, "_test.cc")) continue;
    std::smatch match;
    if (std::regex_search(text, match, *marks)) {
      violations.push_back(absl::StrCat(path, ": uses ", match.str(), "; wait for events, inject the clock"));
    }
  }
  return violations;
}

Violations WrongIncludeGuards(const SourceTree& tree) {
  Violations violations;
  for (const auto& [path, text] : tree) {
    if (!absl::EndsWith(path, ".h")) continue;
    std::string guard = "PERENNIAL_";
    for (const char c : path) {
      guard.push_back(std::isalnum(static_cast<unsigned char>(c))
                          ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
                          : '_');
    }
    guard.push_back('_');
    if (!absl::StrContains(text, absl::StrCat("#ifndef ", guard, "\n#define ", guard, "\n"))) {
      violations.push_back(absl::StrCat(path, ": its include guard is not ", guard));
    }
  }
  return violations;
}

Violations HiddenStructure(const SourceTree& tree) {
  static const auto* const folders =
      new std::set<std::string>{"proto", "server", "client", "model", "deploy", "tests", "docs", ".ci"};
  static const std::regex* const globs = new std::regex(
      "file\\(GLO"
      "B");
  std::set<std::string> unknown;
  Violations violations;
  for (const auto& [path, text] : tree) {
    const size_t slash = path.find('/');
    if (slash != std::string::npos && folders->count(path.substr(0, slash)) == 0) unknown.insert(path.substr(0, slash));
    if (absl::EndsWith(path, "CMakeLists.txt") && std::regex_search(text, *globs)) {
      violations.push_back(absl::StrCat(path, ": collects sources by pattern; list them by name"));
    }
  }
  for (const std::string& folder : unknown) {
    violations.push_back(absl::StrCat(folder, ": a top-level folder that ARCHITECTURE.md does not have"));
  }
  return violations;
}

}  // namespace perennial

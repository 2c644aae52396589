// The rules of ARCHITECTURE.md as functions from a tree of files to the list of its violations. A tree is a value, so
// architecture_test.cc applies the same rules to the project and to small planted trees that must fail.

#ifndef PERENNIAL_TESTS_ARCHITECTURE_RULES_H_
#define PERENNIAL_TESTS_ARCHITECTURE_RULES_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace perennial {

// Path from the top, with "/" ("model/token.h") → the file's text.
using SourceTree = std::map<std::string, std::string>;

// One sentence each, "path: what is wrong". Empty: the rule holds.
using Violations = std::vector<std::string>;

// Reads every file of ours below `top`: not what git ignores (build, .deps, Rust's target), not binary files.
SourceTree ReadSourceTree(const std::string& top);

// The layer table: who may include whose headers. server/main.cc alone may name model/torch.
Violations IncludesAgainstTheArrows(const SourceTree& tree);

// torch headers belong to model/torch and model/eval, gRPC and protobuf headers to server/ and client/, each with their
// tests; and no .cc file may see both, not even through headers of ours (both define LOG and CHECK).
Violations MisplacedLibraries(const SourceTree& tree);

// Code files of more than `max_lines` lines. Generated and locked files are not code.
Violations LongFiles(const SourceTree& tree, size_t max_lines);

// .cc files of model/, server/ and client/ without tests/<the same path>_test.cc. `exceptions`: source → why it has
// none; an exception that is not needed (any more) is a violation too.
Violations UntestedSources(const SourceTree& tree, const std::map<std::string, std::string>& exceptions);

// Headers of model/, server/ and client/ in which fewer than `min_percent` of the lines carry a comment, and, if the
// mean over all of them is below `min_mean_percent`, that. Blank lines do not count; headers under 30 lines may be
// bare.
Violations UnexplainedHeaders(const SourceTree& tree, size_t min_percent, size_t min_mean_percent);

// Marks of unfinished work in code and comments.
Violations UnfinishedWork(const SourceTree& tree);

// File names and type names that contain a word which says nothing ("manager", "data", …; the list is in the design).
Violations EmptyNames(const SourceTree& tree);

// Test files that sleep, are switched off, or skip. (A fake program beside them may pace itself.)
Violations UntrustworthyTests(const SourceTree& tree);

// Headers whose include guard is not their path.
Violations WrongIncludeGuards(const SourceTree& tree);

// CMake files that collect sources by pattern, and folders at the top level beyond the documented ones.
Violations HiddenStructure(const SourceTree& tree);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_ARCHITECTURE_RULES_H_

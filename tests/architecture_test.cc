// The layer table, and the rules that keep the tree easy to read, as tests. Each rule is applied to the project and to
// a planted tree that must fail: a rule that cannot fail would say nothing.

#include <map>
#include <string>

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/architecture_rules.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr size_t kMaxLines = 400;
constexpr size_t kMinHeaderPercent = 15;
constexpr size_t kMinMeanHeaderPercent = 30;

// Sources without a test file of their own, and why.
const std::map<std::string, std::string>& UntestedOnPurpose() {
  static const auto* const exceptions = new std::map<std::string, std::string>{
      {"client/command/chat_loop.cc", "tests/client/command/chat_test.cc types into the real command"},
      {"client/command/main.cc", "tests/client/command/ask_test.cc and chat_test.cc run the real command"},
      {"model/eval/eval_model.cc", "tests/model/eval/default_model_eval_test.cc runs every mode on the real model"},
      {"model/eval/modes.cc", "tests/model/eval/main_test.cc and default_model_eval_test.cc run the program's modes"},
      {"server/main.cc", "tests/e2e/model_e2e_test.cc runs perenniald"},
      {"server/serve.cc", "tests/e2e/lifecycle_e2e_test.cc starts and drains real servers"},
  };
  return *exceptions;
}

const SourceTree& Project() {
  static const auto* const tree = new SourceTree(ReadSourceTree(PERENNIAL_SOURCE_DIR));
  return *tree;
}

// One violation a line, so that a failure shows them all.
std::string Listed(const Violations& violations) { return absl::StrJoin(violations, "\n"); }

TEST(ArchitectureTest, ReadsTheWholeProject) {
  EXPECT_EQ(Project().count("model/sink_window.h"), 1u);
  EXPECT_EQ(Project().count("tests/architecture_test.cc"), 1u);
  EXPECT_GT(Project().size(), 50u);
}

TEST(ArchitectureTest, IncludesPointOnlyDownwards) { EXPECT_EQ(Listed(IncludesAgainstTheArrows(Project())), ""); }

TEST(ArchitectureTest, TorchAndGrpcStayInTheirLayersAndApart) { EXPECT_EQ(Listed(MisplacedLibraries(Project())), ""); }

TEST(ArchitectureTest, FilesStayShort) { EXPECT_EQ(Listed(LongFiles(Project(), kMaxLines)), ""); }

TEST(ArchitectureTest, EverySourceHasATestInTheMirrorTree) {
  EXPECT_EQ(Listed(UntestedSources(Project(), UntestedOnPurpose())), "");
}

TEST(ArchitectureTest, HeadersExplainThemselves) {
  EXPECT_EQ(Listed(UnexplainedHeaders(Project(), kMinHeaderPercent, kMinMeanHeaderPercent)), "");
}

TEST(ArchitectureTest, NothingIsLeftUnfinished) { EXPECT_EQ(Listed(UnfinishedWork(Project())), ""); }

TEST(ArchitectureTest, NamesSaySomething) { EXPECT_EQ(Listed(EmptyNames(Project())), ""); }

TEST(ArchitectureTest, TestsNeitherSleepNorSkip) { EXPECT_EQ(Listed(UntrustworthyTests(Project())), ""); }

TEST(ArchitectureTest, IncludeGuardsArePaths) { EXPECT_EQ(Listed(WrongIncludeGuards(Project())), ""); }

TEST(ArchitectureTest, StructureIsVisible) { EXPECT_EQ(Listed(HiddenStructure(Project())), ""); }

// --- Planted violations ------------------------------------------------------------------------------------------

TEST(PlantedViolationTest, AnArrowUpwardsIsFound) {
  EXPECT_THAT(IncludesAgainstTheArrows({{"model/a.cc", "#include \"server/engine/engine.h\"\n"}}),
              ElementsAre(HasSubstr("model must not know server/engine")));
  EXPECT_THAT(IncludesAgainstTheArrows({{"server/engine/a.h", "#include \"server/service.h\"\n"}}), SizeIs(1));
  EXPECT_THAT(IncludesAgainstTheArrows({{"server/service.cc", "#include \"model/torch/runner.h\"\n"}}), SizeIs(1));
  EXPECT_THAT(IncludesAgainstTheArrows({{"client/a.cc", "#include \"server/options.h\"\n"}}), SizeIs(1));
  EXPECT_THAT(IncludesAgainstTheArrows({{"model/a.cc", "#include \"perennial/v1/turn.pb.h\"\n"}}), SizeIs(1));
  EXPECT_THAT(IncludesAgainstTheArrows({{"model/a.cc", "#include \"tests/fake_model_runner.h\"\n"}}), SizeIs(1));
}

TEST(PlantedViolationTest, ArrowsOfTheTableAreFine) {
  EXPECT_THAT(IncludesAgainstTheArrows({{"server/main.cc", "#include \"model/torch/runner.h\"\n"},
                                        {"server/service.cc", "#include \"server/engine/engine.h\"\n"},
                                        {"model/eval/a.cc", "#include \"model/torch/runner.h\"\n"},
                                        {"client/a.cc", "#include \"perennial/v1/turn.pb.h\"\n"}}),
              IsEmpty());
}

TEST(PlantedViolationTest, TorchOutsideItsLayerIsFound) {
  EXPECT_THAT(MisplacedLibraries({{"model/a.h", "#include <ATen/core/Tensor.h>\n"}}), SizeIs(1));
  EXPECT_THAT(MisplacedLibraries({{"server/a.cc", "#include <torch/torch.h>\n"}}), SizeIs(1));
  EXPECT_THAT(MisplacedLibraries({{"tests/server/a_test.cc", "#include <c10/util/Half.h>\n"}}), SizeIs(1));
  EXPECT_THAT(MisplacedLibraries({{"tests/model/torch/a_test.cc", "#include <ATen/core/Tensor.h>\n"}}), IsEmpty());
}

TEST(PlantedViolationTest, GrpcBelowTheServerIsFound) {
  EXPECT_THAT(MisplacedLibraries({{"server/engine/a.cc", "#include <grpcpp/grpcpp.h>\n"}}), SizeIs(1));
  EXPECT_THAT(MisplacedLibraries({{"model/a.cc", "#include \"google/protobuf/message.h\"\n"}}), SizeIs(1));
  EXPECT_THAT(MisplacedLibraries({{"tests/server/engine/a_test.cc", "#include \"perennial/v1/turn.pb.h\"\n"}}),
              SizeIs(1));
}

TEST(PlantedViolationTest, SeeingTorchAndGrpcTogetherIsFoundThroughHeaders) {
  EXPECT_THAT(MisplacedLibraries({{"server/main.cc", "#include <grpcpp/grpcpp.h>\n#include \"model/torch/runner.h\"\n"},
                                  {"model/torch/runner.h", "#include \"model/torch/weights.h\"\n"},
                                  {"model/torch/weights.h", "#include <ATen/core/Tensor.h>\n"}}),
              ElementsAre("server/main.cc: sees both torch and gRPC headers"));
}

TEST(PlantedViolationTest, ALongFileIsFound) {
  const std::string lines(5, '\n');
  EXPECT_THAT(LongFiles({{"dev", lines}, {"model/a.rs", lines}, {"README.md", lines}}, 4), SizeIs(2));
  EXPECT_THAT(LongFiles({{"dev", lines}}, 5), IsEmpty());
}

TEST(PlantedViolationTest, ASourceWithoutATestIsFound) {
  const SourceTree tree = {{"model/a.cc", ""}, {"model/b.cc", ""}, {"tests/model/b_test.cc", ""}};
  EXPECT_THAT(UntestedSources(tree, {}), ElementsAre("model/a.cc: has no tests/model/a_test.cc"));
  EXPECT_THAT(UntestedSources(tree, {{"model/a.cc", "a reason"}}), IsEmpty());
  EXPECT_THAT(UntestedSources(tree, {{"model/a.cc", "a reason"}, {"model/b.cc", "stale"}}),
              ElementsAre(HasSubstr("model/b.cc: needs no exception")));
}

TEST(PlantedViolationTest, ABareHeaderIsFound) {
  std::string code;
  for (int i = 0; i < 40; ++i) code += "int a;\n";
  EXPECT_THAT(UnexplainedHeaders({{"model/a.h", "// Why.\n" + code}}, 10, 0), ElementsAre(HasSubstr("model/a.h: 2 %")));
  EXPECT_THAT(UnexplainedHeaders({{"model/a.h", "// Why.\n" + code}}, 0, 10), ElementsAre(HasSubstr("all headers")));
  EXPECT_THAT(UnexplainedHeaders({{"model/a.h", "int a;  // why\n"}}, 100, 100), IsEmpty());
}

TEST(PlantedViolationTest, UnfinishedWorkIsFound) {
  EXPECT_THAT(UnfinishedWork({{"model/a.cc",
                               "// TO"
                               "DO: more\n"}}),
              SizeIs(1));
  EXPECT_THAT(UnfinishedWork({{"dev",
                               "# good enough for no"
                               "w\n"}}),
              SizeIs(1));
  EXPECT_THAT(UnfinishedWork({{"model/a.cc", "// before nowadays\n"}}), IsEmpty());
}

TEST(PlantedViolationTest, AnEmptyNameIsFound) {
  EXPECT_THAT(EmptyNames({{"server/session_manager.cc", ""}}), SizeIs(1));
  EXPECT_THAT(EmptyNames({{"model/a.h", "class CacheManager {\n};\n"}}), ElementsAre(HasSubstr("CacheManager")));
  EXPECT_THAT(EmptyNames({{"model/a.h", "struct ModelInfo final {\n};\n"}}), SizeIs(1));
  EXPECT_THAT(EmptyNames({{"model/metadata.h", "class Metadata {\n};\n"}}), IsEmpty());
}

TEST(PlantedViolationTest, ASleepingOrSwitchedOffTestIsFound) {
  EXPECT_THAT(UntrustworthyTests({{"tests/a_test.cc",
                                   "absl::Sleep"
                                   "For(x);"}}),
              SizeIs(1));
  EXPECT_THAT(UntrustworthyTests({{"tests/a_test.cc",
                                   "TEST(A, DIS"
                                   "ABLED_B) {}"}}),
              SizeIs(1));
}

TEST(PlantedViolationTest, AWrongGuardIsFound) {
  EXPECT_THAT(WrongIncludeGuards({{"model/a.h", "#ifndef A_H\n#define A_H\n#endif\n"}}), SizeIs(1));
  EXPECT_THAT(WrongIncludeGuards({{"model/a.h", "#ifndef PERENNIAL_MODEL_A_H_\n#define PERENNIAL_MODEL_A_H_\n"}}),
              IsEmpty());
}

TEST(PlantedViolationTest, HiddenStructureIsFound) {
  EXPECT_THAT(HiddenStructure({{"model/CMakeLists.txt",
                                "file(GLO"
                                "B sources *.cc)"}}),
              SizeIs(1));
  EXPECT_THAT(HiddenStructure({{"utils/a.cc", ""}}), ElementsAre(HasSubstr("utils: a top-level folder")));
}

}  // namespace
}  // namespace perennial

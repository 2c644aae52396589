// Every mode of the program with the default model, as briefly as it makes sense: that it runs, and finds what sinks
// and windows are known to do.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/eval/text_tokens.h"
#include "model/text/tokenizer.h"

namespace perennial {
namespace {

constexpr char kTextFile[] = PERENNIAL_SOURCE_DIR "/tests/golden/war_and_peace_opening.txt";
constexpr char kText[] = " --text=" PERENNIAL_SOURCE_DIR "/tests/golden/war_and_peace_opening.txt";
constexpr char kModelFile[] = PERENNIAL_SOURCE_DIR "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf";

// What `perennial-eval ARGUMENTS --json` prints; an empty object and a failure of the test if it fails.
nlohmann::json Measure(const std::string& arguments) {
  const std::string command =
      std::string(PERENNIAL_EVAL_PROGRAM " ") + arguments + " --json --model=" + kModelFile + " 2>/dev/null";
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe != nullptr) {
    char buffer[4096];
    for (size_t count; (count = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) output.append(buffer, count);
    const int status = pclose(pipe);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return nlohmann::json::parse(output);
  }
  ADD_FAILURE() << command << "\n" << output;
  return nlohmann::json::object();
}

// Pieces are cut where the tokenizer cuts too: together they have the tokens of the whole text.
TEST(DefaultModelEvalTest, PiecesHaveTheTokensOfTheWholeText) {
  const auto checkpoint = Checkpoint::Open(kModelFile);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto tokenizer = Tokenizer::Create((*checkpoint)->tokenizer(), (*checkpoint)->chat_template());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::string text = ReadTextFile(kTextFile).value_or("");
  std::vector<TokenId> tokens;
  size_t pieces = 0;
  for (absl::string_view rest = text; !rest.empty(); ++pieces) {
    const size_t bytes = PieceBytes(rest, 200);
    const auto piece = (*tokenizer)->EncodeText(rest.substr(0, bytes));
    ASSERT_TRUE(piece.ok()) << piece.status();
    tokens.insert(tokens.end(), piece->begin(), piece->end());
    rest.remove_prefix(bytes);
  }
  EXPECT_GT(pieces, 40u);
  EXPECT_EQ(tokens, *(*tokenizer)->EncodeText(text));
}

TEST(DefaultModelEvalTest, PerplexityOfAllAttentions) {
  const nlohmann::json json = Measure(std::string("perplexity --tokens=600 --cache_tokens=128 --recompute_every=100 "
                                                  "--attention=dense,window,sinks,recompute,newlines") +
                                      kText);
  ASSERT_EQ(json["runs"].size(), 5u);
  const auto perplexity = [&](size_t run) { return json["runs"][run]["perplexity_second_half"].get<double>(); };
  EXPECT_LT(perplexity(0), perplexity(2)) << "dense is best while the model was trained for the length";
  EXPECT_GT(perplexity(1), 1.3 * perplexity(2)) << "a window without sinks is worse";
  EXPECT_LT(perplexity(4), 1.2 * perplexity(2)) << "newlines serve as sinks";
  EXPECT_FALSE(json["curve"].empty());
}

TEST(DefaultModelEvalTest, SinksAndAdvice) {
  const nlohmann::json sinks = Measure(std::string("sinks --tokens=500 --cache_tokens=128 --sink_counts=0,4") + kText);
  EXPECT_GT(sinks["caches"][0]["perplexity_compared"], 1.2 * sinks["caches"][1]["perplexity_compared"].get<double>());
  const nlohmann::json sizes =
      Measure(std::string("cache-size --tokens=500 --cache_sizes=64,256 --timed_tokens=3") + kText);
  EXPECT_GT(sizes["caches"][0]["milliseconds_per_token"], 0);
  const nlohmann::json advice =
      Measure(std::string("advise --tokens=500 --cache_sizes=128 --sink_counts=0,4 --timed_tokens=3") + kText);
  EXPECT_EQ(advice["recommended_sink_tokens"], 4);
}

TEST(DefaultModelEvalTest, LengthAndSpeed) {
  const nlohmann::json length = Measure(
      std::string("length --tokens=600 --cache_tokens=64 --block_tokens=300 --compare_every=1 --time_at=100,500 "
                  "--decoded_tokens=10") +
      kText);
  EXPECT_EQ(length["blocks"].size(), 2u);
  EXPECT_EQ(length["points"].size(), 2u);
  EXPECT_NEAR(length["blocks"][0]["ratio"].get<double>(), 1.0, 1e-5);
  const nlohmann::json speed =
      Measure(std::string("speed --tokens=300 --cache_sizes=128,256 --decoded_tokens=5 --recomputed_tokens=1") + kText);
  EXPECT_GT(speed["caches"][1]["speedup"], 2);
}

TEST(DefaultModelEvalTest, RecallWithAndWithoutNotes) {
  const nlohmann::json json = Measure("recall --cache_tokens=256 --lines=40 --distances=2,30 --question_every=5");
  const auto row = [&](size_t index) { return json["distances"][index]; };  // near, far, and both with notes
  EXPECT_EQ(row(0)["in_window"], 1.0);
  EXPECT_EQ(row(1)["in_window"], 0.0);
  EXPECT_LT(row(0)["nats"], row(1)["nats"].get<double>() / 2);
  EXPECT_EQ(row(3)["with_notes"], true);
  EXPECT_LT(row(3)["nats"], row(1)["nats"].get<double>() / 2);
}

TEST(DefaultModelEvalTest, QuestionsInOneConversation) {
  const std::string path = ::testing::TempDir() + "/questions.jsonl";
  std::ofstream file(path);
  for (int i = 0; i < 12; ++i) file << R"({"question": "What is the capital of France?", "answer": "Paris"})" << '\n';
  file.close();
  const nlohmann::json json = Measure("qa --cache_tokens=96 --questions=" + path);
  ASSERT_EQ(json["ways"].size(), 3u);
  EXPECT_LT(json["ways"][1]["nats_overflowed"], json["ways"][2]["nats_overflowed"]);
}

}  // namespace
}  // namespace perennial

// The real thing: perenniald with the default model.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/chat_calls.h"
#include "tests/e2e/server_process.h"

namespace perennial {
namespace {

constexpr char kServer[] = PERENNIALD;

std::string ModelPath() { return absl::StrCat(PERENNIAL_SOURCE_DIR, "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf"); }

std::vector<std::string> WithModel(std::vector<std::string> flags) {
  flags.insert(flags.begin(), absl::StrCat("--model=", ModelPath()));
  return flags;
}

TEST(ModelE2eTest, AConversationOfThreeTurns) {
  ServerProcess server(kServer, WithModel({"--cache_memory=256MiB", "--temperature=0"}));
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();

  ChatStream first(*stub, Say(id, "What is the capital of France?"));
  ASSERT_TRUE(first.End().ok());
  EXPECT_TRUE(absl::StrContains(first.text(), "Paris")) << first.text();
  EXPECT_EQ(first.finished().reason(), v1::FINISH_REASON_END_OF_TURN);

  v1::ChatRequest short_reply = Say(id, "Tell me about the city.");
  short_reply.set_max_tokens(12);
  ChatStream second(*stub, short_reply);
  ASSERT_TRUE(second.End().ok());
  EXPECT_EQ(second.finished().reason(), v1::FINISH_REASON_MAX_TOKENS);
  EXPECT_EQ(second.finished().usage().generated_tokens(), 12);

  ChatStream third(*stub, Say(id, "What is the capital of Italy?"));
  ASSERT_TRUE(third.End().ok());
  EXPECT_TRUE(absl::StrContains(third.text(), "Rome")) << third.text();

  v1::Session session;
  ASSERT_TRUE(GetSession(*stub, id, &session).ok());
  EXPECT_EQ(session.turns(), 3);
  EXPECT_EQ(session.memory().forgotten_tokens(), 0);
  EXPECT_EQ(session.cache_bytes(),
            int64_t{1024} * 30 * 2 * 3 * 64 * (server.process().AwaitOutput("bfloat16") ? 2 : 4));
}

TEST(ModelE2eTest, TheSameSeedGivesTheSameReply) {
  ServerProcess server(kServer, WithModel({"--cache_memory=256MiB"}));
  const auto stub = Connect(server.address());
  v1::ChatRequest request = Say("", "Write one line about the sea.");
  request.mutable_sampling()->set_temperature(1.0f);
  request.mutable_sampling()->set_seed(7);
  request.set_max_tokens(24);
  ChatStream one(*stub, request);
  ASSERT_TRUE(one.End().ok());
  ChatStream two(*stub, request);
  ASSERT_TRUE(two.End().ok());
  EXPECT_FALSE(one.text().empty());
  EXPECT_EQ(one.text(), two.text());
}

TEST(ModelE2eTest, APromptOfThreeTimesTheCacheIsServed) {
  ServerProcess server(kServer, WithModel({"--cache_memory=256MiB", "--cache_tokens=128"}));
  const auto stub = Connect(server.address());
  const std::string id = NewSession(*stub).session_id();
  std::string text;
  for (int i = 0; i < 60; ++i) absl::StrAppend(&text, "There are many rivers and hills in this country. ");
  v1::ChatRequest request = Say(id, text + "What is the capital of France?");
  request.set_max_tokens(24);
  ChatStream chat(*stub, request);
  ASSERT_TRUE(chat.End().ok());
  EXPECT_GE(chat.finished().usage().prompt_tokens(), 3 * 128);
  EXPECT_GE(chat.finished().usage().evicted_tokens(), 2 * 128);
  EXPECT_FALSE(chat.text().empty());
  const v1::SessionMemory& memory = chat.finished().memory();
  EXPECT_EQ(memory.visible_tokens(), 128);
  EXPECT_GE(memory.stream_tokens(), memory.visible_tokens() + memory.forgotten_tokens());
}

TEST(ModelE2eTest, MoreSessionsThanTheMemoryHoldsAreRefusedWithAHint) {
  // In either type of cache fewer than four sessions, where none can be parked.
  ServerProcess server(kServer, WithModel({"--cache_memory=70MiB", "--parked_memory=0"}));
  const auto stub = Connect(server.address());
  grpc::Status status;
  int sessions = 0;
  for (; sessions < 4 && status.ok(); ++sessions) {
    grpc::ClientContext context;
    v1::CreateSessionResponse response;
    status = stub->CreateSession(&context, {}, &response);
  }
  EXPECT_GT(sessions, 1);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "NO_FREE_CACHE");
  EXPECT_TRUE(RetryInfoOf(status).has_value());
}

TEST(ModelE2eTest, StartsThatCannotWorkAreRefusedInOneLine) {
  ChildProcess small({kServer, absl::StrCat("--model=", ModelPath()), "--listen=127.0.0.1:0", "--cache_memory=8MiB"});
  EXPECT_EQ(small.AwaitExit(), 2);
  EXPECT_TRUE(small.AwaitOutput("less than one session needs"));
  ChildProcess untrained({kServer, absl::StrCat("--model=", ModelPath()), "--listen=127.0.0.1:0", "--cache_memory=1GiB",
                          "--cache_tokens=9000"});
  EXPECT_EQ(untrained.AwaitExit(), 2);
  EXPECT_TRUE(untrained.AwaitOutput("--allow_untrained_length"));
  ChildProcess missing({kServer, "--model=/no/such/model.gguf"});
  EXPECT_EQ(missing.AwaitExit(), 1);
  EXPECT_TRUE(missing.AwaitOutput("/no/such/model.gguf"));
  ChildProcess none({kServer});
  EXPECT_EQ(none.AwaitExit(), 2);
  EXPECT_TRUE(none.AwaitOutput("--model: names no file"));
}

}  // namespace
}  // namespace perennial

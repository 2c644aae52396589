// Twenty clients of the default model whose connections are cut at random.

#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/e2e/chaos_clients.h"
#include "tests/e2e/chat_calls.h"
#include "tests/e2e/server_process.h"

namespace perennial {
namespace {

TEST(ModelChaosE2eTest, EveryRequestIsGeneratedOnceAndEveryTextIsWhole) {
  const std::string model = absl::StrCat(PERENNIAL_SOURCE_DIR, "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  ServerProcess server(PERENNIALD, {absl::StrCat("--model=", model), "--dtype=float32", "--cache_tokens=256",
                                    "--cache_memory=300MiB", "--max_running_turns=20"});
  const auto stub = Connect(server.address());
  const ChaosPlan plan = {.clients = 20, .turns = 1, .max_tokens = 20};

  const ChaosOutcome calm = RunClients(server.address(), server.address(), plan);
  ASSERT_EQ(calm.turns, plan.clients * plan.turns);
  const v1::Stats before = GetStats(*stub);

  const auto network = BadNetwork(server.address(), /*seed=*/1, /*most_cuts=*/100, /*most_bytes=*/1200);
  const ChaosOutcome stormy = RunClients(server.address(), network->address(), plan);
  const v1::Stats after = GetStats(*stub);

  std::cout << network->cuts() << " connections of " << network->connections() << " were cut, " << stormy.reconnects
            << " turns found again, " << after.turns_rejoined() << " by asking again\n";
  EXPECT_GE(network->cuts(), plan.clients / 2);
  EXPECT_EQ(stormy.turns, plan.clients * plan.turns);
  EXPECT_EQ(stormy.texts, calm.texts);
  EXPECT_EQ(after.turns_started() - before.turns_started(), plan.clients * plan.turns);
  EXPECT_EQ(after.generated_tokens() - before.generated_tokens(), calm.generated_tokens);
}

}  // namespace
}  // namespace perennial

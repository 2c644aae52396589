// Two hundred clients of the real server (on the fake runner) whose connections are cut at random: every turn is
// generated once, and every text is that of a run without cuts.

#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "tests/e2e/chaos_clients.h"
#include "tests/e2e/chat_calls.h"
#include "tests/e2e/server_process.h"

namespace perennial {
namespace {

TEST(ChaosE2eTest, EveryRequestIsGeneratedOnceAndEveryTextIsWhole) {
  ServerProcess server(FAKE_PERENNIALD, {"--model=brisk", "--cache_memory=64MiB", "--max_running_turns=32"});
  const auto stub = Connect(server.address());
  const ChaosPlan plan = {.clients = 200, .turns = 3, .max_tokens = 60};

  const ChaosOutcome calm = RunClients(server.address(), server.address(), plan);
  ASSERT_EQ(calm.turns, plan.clients * plan.turns);
  EXPECT_EQ(calm.reconnects, 0);
  const v1::Stats before = GetStats(*stub);
  EXPECT_EQ(before.generated_tokens(), calm.generated_tokens);

  const auto network = BadNetwork(server.address(), /*seed=*/1, /*most_cuts=*/1500, /*most_bytes=*/6000);
  const ChaosOutcome stormy = RunClients(server.address(), network->address(), plan);
  const v1::Stats after = GetStats(*stub);

  std::cout << network->cuts() << " connections of " << network->connections() << " were cut, " << stormy.reconnects
            << " turns found again, " << after.turns_rejoined() << " by asking again\n";
  EXPECT_GE(network->cuts(), plan.clients);
  EXPECT_GE(stormy.reconnects, plan.clients / 2);
  EXPECT_EQ(stormy.turns, plan.clients * plan.turns);
  EXPECT_EQ(stormy.texts, calm.texts);
  EXPECT_EQ(after.turns_started() - before.turns_started(), plan.clients * plan.turns);
  EXPECT_EQ(after.turns_finished() - before.turns_finished(), plan.clients * plan.turns);
  EXPECT_EQ(after.generated_tokens() - before.generated_tokens(), calm.generated_tokens);
  EXPECT_EQ(after.running_turns() + after.waiting_turns(), 0);
}

}  // namespace
}  // namespace perennial

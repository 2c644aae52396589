#include "tests/e2e/chaos_clients.h"

#include <atomic>
#include <cstddef>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/chat_client.h"
#include "client/connection_observer.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

class CountingObserver final : public ConnectionObserver {
 public:
  void OnLost(const absl::Status& /*cause*/, absl::Duration /*wait*/) override {}
  void OnFound() override { ++found_; }
  int64_t found() const { return found_; }

 private:
  int64_t found_ = 0;
};

// gRPC shares a connection between channels that do not differ: these differ in when they ping.
std::unique_ptr<ChatClient> NewClient(const std::string& server, int number) {
  ChatClientOptions options;
  options.server = server;
  options.turns_survive = true;
  options.keepalive_interval = absl::Seconds(20) + absl::Milliseconds(number);
  options.reconnect = {
      .first_wait = absl::Milliseconds(10), .longest_wait = absl::Milliseconds(500), .patience = absl::Minutes(1)};
  return std::move(ChatClient::Create(options)).value();
}

// Messages of different lengths, so that prompts and replies meet.
std::string MessageOf(const ChaosPlan& plan, int client, int turn) {
  std::mt19937_64 random(plan.seed * 1'000'003 + static_cast<uint64_t>(client) * 1009 + static_cast<uint64_t>(turn));
  std::string message = absl::StrCat("Client ", client, " says in turn ", turn, ":");
  for (uint64_t words = random() % 12; words > 0; --words) absl::StrAppend(&message, " word", random() % 100);
  return message;
}

}  // namespace

ChaosOutcome RunClients(const std::string& server, const std::string& turns_through, const ChaosPlan& plan) {
  ChaosOutcome outcome;
  outcome.texts.resize(static_cast<size_t>(plan.clients));
  const std::unique_ptr<ChatClient> maker = NewClient(server, 0);
  std::vector<std::string> sessions;
  for (int client = 0; client < plan.clients; ++client) {
    const absl::StatusOr<v1::Session> session = maker->CreateSession({});
    EXPECT_TRUE(session.ok()) << session.status();
    if (!session.ok()) return outcome;
    sessions.push_back(session->session_id());
  }
  std::atomic<int64_t> turns = 0, generated = 0, reconnects = 0;
  std::vector<std::thread> threads;
  for (int number = 0; number < plan.clients; ++number) {
    threads.emplace_back([&, number] {
      const std::unique_ptr<ChatClient> client = NewClient(turns_through, number + 1);
      for (int turn = 0; turn < plan.turns; ++turn) {
        v1::ChatRequest request;
        request.set_session_id(sessions[static_cast<size_t>(number)]);
        request.set_message(MessageOf(plan, number, turn));
        request.set_max_tokens(plan.max_tokens);
        request.mutable_sampling()->set_temperature(0);
        request.mutable_sampling()->set_seed(plan.seed);
        std::string text;
        CountingObserver observer;
        const absl::StatusOr<v1::Finished> end = client->Chat(
            request, [&text](const v1::TurnEvent& event) { text += event.has_delta() ? event.delta().text() : ""; },
            /*cancel=*/nullptr, &observer);
        EXPECT_TRUE(end.ok()) << "client " << number << ", turn " << turn << ": " << end.status();
        outcome.texts[static_cast<size_t>(number)].push_back(std::move(text));
        reconnects += observer.found();
        if (!end.ok()) return;
        ++turns;
        generated += end->usage().generated_tokens();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& session : sessions) EXPECT_TRUE(maker->DeleteSession(session).ok());
  outcome.turns = turns;
  outcome.generated_tokens = generated;
  outcome.reconnects = reconnects;
  return outcome;
}

std::unique_ptr<TcpRelay> BadNetwork(const std::string& server, uint64_t seed, int most_cuts, int64_t most_bytes) {
  return std::make_unique<TcpRelay>(
      server, [random = std::mt19937_64(seed), left = most_cuts, most_bytes]() mutable -> std::optional<int64_t> {
        if (left-- <= 0) return std::nullopt;
        return 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(most_bytes));
      });
}

}  // namespace perennial

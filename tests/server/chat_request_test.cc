#include "server/chat_request.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "absl/strings/match.h"
#include "server/engine/error.h"
#include "tests/server/byte_prompt_renderer.h"

namespace perennial {
namespace {

constexpr uint64_t kSeed = 99;

RequestRules Rules() {
  GenerationDefaults generation;
  generation.temperature = 0.25f;
  return MakeRequestRules({}, {.max_cache_tokens = 2048}, generation, 4);
}

v1::ChatRequest Hello() {
  v1::ChatRequest request;
  request.set_session_id("abc");
  request.set_message("hello");
  return request;
}

TEST(ChatRequestTest, UnsetFieldsGetTheDefaultsAndADrawnSeed) {
  const absl::StatusOr<CheckedChat> chat = CheckChat(Hello(), Rules(), kSeed);
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(chat->turn.session_id, "abc");
  EXPECT_FLOAT_EQ(chat->turn.sampling.temperature, 0.25f);
  EXPECT_EQ(chat->turn.sampling.seed, kSeed);
  EXPECT_EQ(chat->turn.max_tokens, 1024);
  EXPECT_EQ(chat->turn.if_busy, IfBusy::kWait);
  EXPECT_EQ(chat->turn.expected_turn, std::nullopt);
  EXPECT_FALSE(chat->session.has_value());
}

TEST(ChatRequestTest, SetFieldsWinEvenWhereTheyAreZero) {
  v1::ChatRequest request = Hello();
  request.mutable_sampling()->set_temperature(0);
  request.mutable_sampling()->set_seed(0);
  request.mutable_sampling()->set_top_k(3);
  request.mutable_sampling()->set_min_p(0.5f);
  request.mutable_sampling()->set_top_p(0.5f);
  request.mutable_sampling()->set_repetition_penalty(1.5f);
  request.mutable_sampling()->set_repetition_window(0);
  request.set_max_tokens(0);
  request.set_ignore_end_of_turn(true);
  request.add_stop("x");
  request.set_if_busy(v1::IF_BUSY_REJECT);
  request.set_expected_turn(0);
  const absl::StatusOr<CheckedChat> chat = CheckChat(request, Rules(), kSeed);
  ASSERT_TRUE(chat.ok());
  const SamplingParams& sampling = chat->turn.sampling;
  EXPECT_EQ(sampling.temperature, 0);
  EXPECT_EQ(sampling.seed, 0u);
  EXPECT_EQ(sampling.top_k, 3);
  EXPECT_EQ(sampling.min_p, 0.5f);
  EXPECT_EQ(sampling.top_p, 0.5f);
  EXPECT_EQ(sampling.repetition_penalty, 1.5f);
  EXPECT_EQ(sampling.repetition_window, 0);
  EXPECT_EQ(chat->turn.max_tokens, 0);
  EXPECT_TRUE(chat->turn.ignore_end_of_turn);
  EXPECT_EQ(chat->turn.stop_strings, (std::vector<std::string>{"x"}));
  EXPECT_EQ(chat->turn.if_busy, IfBusy::kReject);
  EXPECT_EQ(chat->turn.expected_turn, 0);
}

TEST(ChatRequestTest, ATurnThatGoesOnIsRecognisedByItsRequestId) {
  v1::ChatRequest request = Hello();
  request.set_request_id("r");
  request.set_on_disconnect(v1::ON_DISCONNECT_CONTINUE);
  request.set_if_busy(v1::IF_BUSY_INTERRUPT);
  const absl::StatusOr<CheckedChat> chat = CheckChat(request, Rules(), kSeed);
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(chat->turn.on_disconnect, OnDisconnect::kContinue);
  EXPECT_EQ(chat->turn.if_busy, IfBusy::kInterrupt);
  EXPECT_EQ(chat->turn.request.id, "r");
  // The seed that was drawn for it is not what was asked for.
  EXPECT_EQ(CheckChat(request, Rules(), kSeed + 1)->turn.request.fingerprint, chat->turn.request.fingerprint);
}

TEST(ChatRequestTest, EveryBadFieldIsNamedWithItsLimit) {
  struct Case {
    std::string field;
    std::function<void(v1::ChatRequest&)> spoil;
  };
  const Case cases[] = {
      {"message", [](v1::ChatRequest& r) { r.clear_message(); }},
      {"message", [](v1::ChatRequest& r) { r.set_message(std::string((1 << 20) + 1, 'x')); }},
      {"config", [](v1::ChatRequest& r) { r.mutable_config(); }},
      {"sampling.temperature", [](v1::ChatRequest& r) { r.mutable_sampling()->set_temperature(11); }},
      {"sampling.temperature", [](v1::ChatRequest& r) { r.mutable_sampling()->set_temperature(std::nanf("")); }},
      {"sampling.top_k", [](v1::ChatRequest& r) { r.mutable_sampling()->set_top_k(-1); }},
      {"sampling.top_p", [](v1::ChatRequest& r) { r.mutable_sampling()->set_top_p(0); }},
      {"sampling.min_p", [](v1::ChatRequest& r) { r.mutable_sampling()->set_min_p(1.5f); }},
      {"sampling.repetition_penalty", [](v1::ChatRequest& r) { r.mutable_sampling()->set_repetition_penalty(0); }},
      {"sampling.repetition_window", [](v1::ChatRequest& r) { r.mutable_sampling()->set_repetition_window(5000); }},
      {"max_tokens", [](v1::ChatRequest& r) { r.set_max_tokens(0); }},
      {"max_tokens", [](v1::ChatRequest& r) { r.set_max_tokens(-1); }},
      {"max_tokens", [](v1::ChatRequest& r) { r.set_max_tokens((1 << 20) + 1); }},
      {"stop[1]",
       [](v1::ChatRequest& r) {
         r.add_stop("fine");
         r.add_stop("");
       }},
      {"stop[0]", [](v1::ChatRequest& r) { r.add_stop(std::string(257, 's')); }},
      {"stop",
       [](v1::ChatRequest& r) {
         for (int i = 0; i < 17; ++i) r.add_stop("s");
       }},
      {"long_message", [](v1::ChatRequest& r) { r.set_long_message(static_cast<v1::LongMessage>(9)); }},
      {"if_busy", [](v1::ChatRequest& r) { r.set_if_busy(static_cast<v1::IfBusy>(9)); }},
      {"priority", [](v1::ChatRequest& r) { r.set_priority(static_cast<v1::Priority>(9)); }},
      {"expected_turn", [](v1::ChatRequest& r) { r.set_expected_turn(-1); }},
      {"on_disconnect", [](v1::ChatRequest& r) { r.set_on_disconnect(static_cast<v1::OnDisconnect>(9)); }},
      {"request_id", [](v1::ChatRequest& r) { r.set_on_disconnect(v1::ON_DISCONNECT_CONTINUE); }},
      {"request_id", [](v1::ChatRequest& r) { r.set_request_id(std::string(129, 'r')); }},
      {"config.sink_tokens",
       [](v1::ChatRequest& r) {
         r.clear_session_id();
         r.mutable_config()->set_sink_tokens(-1);
       }},
      {"message",
       [](v1::ChatRequest& r) {
         r.clear_session_id();
         v1::Message* system = r.mutable_config()->add_history();
         system->set_role(v1::ROLE_SYSTEM);
         system->set_text(std::string((1 << 20) - 64 - 4, 'x'));  // with "hello" one byte too many
       }},
  };
  for (const Case& bad : cases) {
    v1::ChatRequest request = Hello();
    bad.spoil(request);
    const absl::Status status = CheckChat(request, Rules(), kSeed).status();
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField) << bad.field;
    EXPECT_TRUE(absl::StartsWith(status.message(), bad.field + ": ")) << bad.field << " / " << status.message();
  }
}

TEST(ChatRequestTest, ATurnIsRenderedAfterItsSession) {
  absl::StatusOr<CheckedChat> chat = CheckChat(Hello(), Rules(), kSeed);
  ASSERT_TRUE(chat.ok());
  const absl::StatusOr<TurnSpec> turn = RenderChat(BytePromptRenderer(), Rules(), *std::move(chat));
  ASSERT_TRUE(turn.ok());
  EXPECT_EQ(turn->message.tokens, (std::vector<TokenId>{kByteUser, 'h', 'e', 'l', 'l', 'o', kByteEnd, kByteAssistant}));
  EXPECT_FALSE(turn->ephemeral.has_value());
}

TEST(ChatRequestTest, ASchemaIsCompiledWithTheTextsAndNeverInline) {
  v1::ChatRequest request = Hello();
  request.mutable_sampling()->set_json_schema("{}");
  absl::StatusOr<CheckedChat> chat = CheckChat(request, Rules(), kSeed);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->json_schema, "{}");
  EXPECT_GT(chat->text_bytes, Rules().options.inline_text_bytes);
  EXPECT_EQ(RenderChat(BytePromptRenderer(), Rules(), *std::move(chat)).status().message(),
            "sampling.json_schema: no schema is understood here");
  request.add_stop("x");
  EXPECT_EQ(CheckChat(request, Rules(), kSeed).status().message(), "sampling.json_schema: does not go with stop");
}

TEST(ChatRequestTest, WithoutASessionIdTheTurnBringsItsOwn) {
  v1::ChatRequest request = Hello();
  request.clear_session_id();
  absl::StatusOr<CheckedChat> chat = CheckChat(request, Rules(), kSeed);
  ASSERT_TRUE(chat.ok());
  const absl::StatusOr<TurnSpec> turn = RenderChat(BytePromptRenderer(), Rules(), *std::move(chat));
  ASSERT_TRUE(turn.ok());
  ASSERT_TRUE(turn->ephemeral.has_value());
  EXPECT_EQ(turn->ephemeral->opening, (std::vector<TokenId>{kByteBos}));
}

TEST(ChatRequestTest, TextReachesTheEngineOnlyWhereTranscriptsAreKept) {
  EXPECT_TRUE(RenderChat(BytePromptRenderer(), Rules(), *CheckChat(Hello(), Rules(), kSeed))->messages.empty());
  ServerOptions options;
  options.engine.transcript_turns = 1;
  const RequestRules rules = MakeRequestRules(options, {.max_cache_tokens = 2048}, {}, 4);
  EXPECT_EQ(RenderChat(BytePromptRenderer(), rules, *CheckChat(Hello(), rules, kSeed))->messages,
            (std::vector<Message>{{Role::kUser, "hello"}}));
}

TEST(ChatRequestTest, TooManyTokensOrAFailedRenderingNameTheMessage) {
  ServerOptions options;
  options.engine.max_prompt_tokens = 7;
  const RequestRules rules = MakeRequestRules(options, {.max_cache_tokens = 2048}, {}, 4);
  EXPECT_EQ(RenderChat(BytePromptRenderer(), rules, *CheckChat(Hello(), rules, kSeed)).status().message(),
            "message: 8 tokens are more than 7 (max_prompt_tokens)");
  v1::ChatRequest request = Hello();
  request.set_message(std::string(BytePromptRenderer::kUnrenderable));
  EXPECT_EQ(RenderChat(BytePromptRenderer(), Rules(), *CheckChat(request, Rules(), kSeed)).status().message(),
            "message: the template raised: no");
}

}  // namespace
}  // namespace perennial

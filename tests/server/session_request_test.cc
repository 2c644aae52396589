#include "server/session_request.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/engine/error.h"
#include "tests/server/byte_prompt_renderer.h"

namespace perennial {
namespace {

RequestRules Rules() { return MakeRequestRules({}, {.max_cache_tokens = 2048}, {}, 4); }

void AddMessage(v1::SessionConfig& config, v1::Role role, const std::string& text) {
  v1::Message* message = config.add_history();
  message->set_role(role);
  message->set_text(text);
}

TEST(SessionRequestTest, AnEmptyConfigGetsTheServersSizes) {
  const absl::StatusOr<CheckedSession> session = CheckSessionConfig({}, Rules());
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session->spec.shape, (CacheShape{.sink_tokens = 4, .note_tokens = 0, .window_tokens = 1020}));
  EXPECT_EQ(session->spec.idle_timeout, absl::Hours(1));
  EXPECT_TRUE(session->spec.labels.empty());
}

TEST(SessionRequestTest, SizesAreSinksAndTheRest) {
  v1::SessionConfig config;
  config.set_cache_tokens(100);
  config.set_sink_tokens(99);
  EXPECT_EQ(CheckSessionConfig(config, Rules())->spec.shape.window_tokens, 1);
  config.set_sink_tokens(0);  // set, and zero: not the default
  EXPECT_EQ(CheckSessionConfig(config, Rules())->spec.shape.window_tokens, 100);
  config.clear_sink_tokens();
  config.set_cache_tokens(2);  // smaller than the default sinks
  EXPECT_EQ(CheckSessionConfig(config, Rules())->spec.shape.sink_tokens, 1);
}

TEST(SessionRequestTest, EveryBadFieldIsNamed) {
  struct Case {
    std::string field;
    std::function<void(v1::SessionConfig&)> spoil;
  };
  const Case cases[] = {
      {"config.cache_tokens", [](v1::SessionConfig& c) { c.set_cache_tokens(0); }},
      {"config.cache_tokens", [](v1::SessionConfig& c) { c.set_cache_tokens(2049); }},
      {"config.sink_tokens", [](v1::SessionConfig& c) { c.set_sink_tokens(-1); }},
      {"config.sink_tokens", [](v1::SessionConfig& c) { c.set_sink_tokens(1024); }},
      {"config.note_tokens", [](v1::SessionConfig& c) { c.set_note_tokens(-1); }},
      {"config.note_tokens", [](v1::SessionConfig& c) { c.set_note_tokens(257); }},
      {"config.cache_tokens",
       [](v1::SessionConfig& c) {
         c.set_cache_tokens(100);
         c.set_note_tokens(69);
       }},
      {"config.sink_tokens",
       [](v1::SessionConfig& c) {
         c.set_cache_tokens(100);
         c.set_note_tokens(60);
         c.set_sink_tokens(9);
       }},
      {"config.pinned_head", [](v1::SessionConfig& c) { c.set_pinned_head(static_cast<v1::PinnedHead>(9)); }},
      {"config.eviction", [](v1::SessionConfig& c) { c.set_eviction(static_cast<v1::EvictionPolicy>(9)); }},
      {"config.idle_timeout", [](v1::SessionConfig& c) { c.mutable_idle_timeout(); }},
      {"config.idle_timeout", [](v1::SessionConfig& c) { c.mutable_idle_timeout()->set_seconds(-5); }},
      {"config.idle_timeout", [](v1::SessionConfig& c) { c.mutable_idle_timeout()->set_seconds(1LL << 40); }},
      {"config.route", [](v1::SessionConfig& c) { c.set_route(std::string(65, 'r')); }},
      {"config.route", [](v1::SessionConfig& c) { c.set_route("a b"); }},
      {"config.route", [](v1::SessionConfig& c) { c.set_route("caf\xc3\xa9"); }},
      {"config.labels", [](v1::SessionConfig& c) { (*c.mutable_labels())[""] = "x"; }},
      {"config.labels", [](v1::SessionConfig& c) { (*c.mutable_labels())["k"] = std::string(257, 'x'); }},
      {"config.labels",
       [](v1::SessionConfig& c) {
         for (int i = 0; i < 33; ++i) (*c.mutable_labels())[absl::StrCat(i)] = "";
       }},
      {"config.budget.generated_tokens", [](v1::SessionConfig& c) { c.mutable_budget()->set_generated_tokens(-1); }},
      {"config.history[1].role",
       [](v1::SessionConfig& c) {
         AddMessage(c, v1::ROLE_SYSTEM, "s");
         AddMessage(c, v1::ROLE_UNSPECIFIED, "u");
       }},
      {"config.history[0].role", [](v1::SessionConfig& c) { AddMessage(c, static_cast<v1::Role>(4), "tool"); }},
      {"config.history",
       [](v1::SessionConfig& c) {
         AddMessage(c, v1::ROLE_USER, std::string(1 << 20, 'x'));
         AddMessage(c, v1::ROLE_ASSISTANT, "x");
       }},
  };
  for (const Case& bad : cases) {
    v1::SessionConfig config;
    bad.spoil(config);
    const absl::Status status = CheckSessionConfig(config, Rules()).status();
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField) << bad.field;
    EXPECT_TRUE(absl::StartsWith(status.message(), bad.field + ": ")) << status.message();
  }
}

TEST(SessionRequestTest, LimitsThemselvesAreAllowed) {
  v1::SessionConfig config;
  config.set_cache_tokens(2048);
  config.set_route(std::string(64, '_'));
  for (int i = 0; i < 32; ++i) (*config.mutable_labels())[absl::StrCat(i)] = std::string(256, 'x');
  config.mutable_idle_timeout()->set_seconds(30 * 24 * 3600);
  config.mutable_budget()->set_generated_tokens(int64_t{1} << 40);
  AddMessage(config, v1::ROLE_SYSTEM, std::string((1 << 20) - 64, 'x'));  // 64: what a template writes
  const absl::StatusOr<CheckedSession> session = CheckSessionConfig(config, Rules());
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->text_bytes, 1 << 20);
  EXPECT_EQ(session->spec.budget.generated_tokens, int64_t{1} << 40);
}

TEST(SessionRequestTest, TheOpeningIsRenderedAndBounded) {
  ServerOptions options;
  options.engine.max_opening_tokens = 10;
  const RequestRules rules = MakeRequestRules(options, {.max_cache_tokens = 2048}, {}, 4);
  CheckedSession session;
  session.history = {{Role::kSystem, "12345678"}};
  ASSERT_TRUE(RenderOpening(BytePromptRenderer(), rules, session).ok());
  EXPECT_EQ(session.spec.opening.size(), 10u);
  session.history = {{Role::kSystem, "123456789"}};
  EXPECT_EQ(RenderOpening(BytePromptRenderer(), rules, session).message(),
            "config.history: 11 tokens are more than 10 (max_opening_tokens)");
}

// The session that `config` asks for, after rendering.
absl::StatusOr<CheckedSession> Rendered(const v1::SessionConfig& config, const ServerOptions& options = {}) {
  const RequestRules rules = MakeRequestRules(options, {.max_cache_tokens = 2048}, {}, 4);
  absl::StatusOr<CheckedSession> session = CheckSessionConfig(config, rules);
  if (!session.ok()) return session;
  if (absl::Status status = RenderOpening(BytePromptRenderer(), rules, *session); !status.ok()) return status;
  return session;
}

TEST(SessionRequestTest, TheSystemPromptIsPinnedWithoutTheRestOfTheHistory) {
  v1::SessionConfig config;
  AddMessage(config, v1::ROLE_SYSTEM, "12345678");
  AddMessage(config, v1::ROLE_USER, "hello");
  AddMessage(config, v1::ROLE_ASSISTANT, "hi");
  absl::StatusOr<CheckedSession> session = Rendered(config);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->spec.shape, (CacheShape{.sink_tokens = 10, .note_tokens = 0, .window_tokens = 1014}));
  EXPECT_EQ(session->spec.eviction, EvictionPolicy::kTurnWise);
  config.set_sink_tokens(12);  // at least these
  EXPECT_EQ(Rendered(config)->spec.shape.sink_tokens, 12);
  config.set_sink_tokens(0);
  EXPECT_EQ(Rendered(config)->spec.shape.sink_tokens, 10);
  config.set_pinned_head(v1::PINNED_HEAD_SINKS_ONLY);
  config.set_eviction(v1::EVICTION_POLICY_TOKEN_WISE);
  EXPECT_EQ(Rendered(config)->spec.shape, (CacheShape{.sink_tokens = 0, .note_tokens = 0, .window_tokens = 1024}));
  EXPECT_EQ(Rendered(config)->spec.eviction, EvictionPolicy::kTokenWise);
}

TEST(SessionRequestTest, TheServersDefaultsAreItsFlags) {
  v1::SessionConfig config;
  AddMessage(config, v1::ROLE_SYSTEM, "12345678");
  ServerOptions options;
  options.pinned_head = "sinks_only";
  options.eviction = "token_wise";
  EXPECT_EQ(Rendered(config, options)->spec.shape.sink_tokens, 4);
  EXPECT_EQ(Rendered(config, options)->spec.eviction, EvictionPolicy::kTokenWise);
  config.set_pinned_head(v1::PINNED_HEAD_SYSTEM_PROMPT);
  config.set_eviction(v1::EVICTION_POLICY_TURN_WISE);
  EXPECT_EQ(Rendered(config, options)->spec.shape.sink_tokens, 10);
  EXPECT_EQ(Rendered(config, options)->spec.eviction, EvictionPolicy::kTurnWise);
  options.pinned_head = "system_prompt_start";
  EXPECT_EQ(MakeRequestRules(options, {}, {}, 4).pinned_head, PinnedHead::kSystemPromptStart);
}

TEST(SessionRequestTest, ASystemPromptThatIsTooLongIsRefusedWithTheNumbersOrCut) {
  v1::SessionConfig config;
  AddMessage(config, v1::ROLE_SYSTEM, std::string(600, 's'));
  EXPECT_EQ(Rendered(config).status().message(),
            "config.pinned_head: the system prompt has 602 tokens, more than 512 (max_pinned_tokens): shorten it, or "
            "pin only its start or the sinks");
  config.set_pinned_head(v1::PINNED_HEAD_SYSTEM_PROMPT_START);
  EXPECT_EQ(Rendered(config)->spec.shape, (CacheShape{.sink_tokens = 512, .note_tokens = 0, .window_tokens = 512}));
  config.set_cache_tokens(100);
  EXPECT_EQ(Rendered(config)->spec.shape, (CacheShape{.sink_tokens = 68, .note_tokens = 0, .window_tokens = 32}));
  config.set_pinned_head(v1::PINNED_HEAD_SYSTEM_PROMPT);
  config.mutable_history(0)->set_text(std::string(67, 's'));
  EXPECT_EQ(Rendered(config).status().message(),
            "config.cache_tokens: 100 leave a window of 31 beside a system prompt of 69 tokens and notes of 0, less "
            "than 32 (min_window_tokens): ask for more, or pin only its start or the sinks");
  config.mutable_history(0)->set_text(std::string(66, 's'));
  EXPECT_EQ(Rendered(config)->spec.shape, (CacheShape{.sink_tokens = 68, .note_tokens = 0, .window_tokens = 32}));
}

TEST(SessionRequestTest, NotesAreSetAsideBesideTheSystemPrompt) {
  v1::SessionConfig config;
  AddMessage(config, v1::ROLE_SYSTEM, "12345678");
  config.set_cache_tokens(100);
  config.set_note_tokens(58);
  EXPECT_EQ(Rendered(config)->spec.shape, (CacheShape{.sink_tokens = 10, .note_tokens = 58, .window_tokens = 32}));
  config.set_note_tokens(59);
  EXPECT_EQ(Rendered(config).status().message(),
            "config.cache_tokens: 100 leave a window of 31 beside a system prompt of 10 tokens and notes of 59, less "
            "than 32 (min_window_tokens): ask for more, or pin only its start or the sinks");
  config.set_pinned_head(v1::PINNED_HEAD_SYSTEM_PROMPT_START);
  EXPECT_EQ(Rendered(config)->spec.shape, (CacheShape{.sink_tokens = 9, .note_tokens = 59, .window_tokens = 32}));
  config.set_note_tokens(66);
  EXPECT_EQ(Rendered(config)->spec.shape, (CacheShape{.sink_tokens = 2, .note_tokens = 66, .window_tokens = 32}));
}

// Where nothing but the sinks is pinned, a cache may be as small as it could always be.
TEST(SessionRequestTest, ASmallCacheWithoutASystemPromptIsServed) {
  v1::SessionConfig config;
  config.set_cache_tokens(8);
  EXPECT_EQ(Rendered(config)->spec.shape, (CacheShape{.sink_tokens = 4, .note_tokens = 0, .window_tokens = 4}));
}

TEST(SessionRequestTest, AnUpdateChecksWhatItSets) {
  v1::UpdateSessionRequest request;
  request.mutable_idle_timeout()->set_seconds(0);
  EXPECT_TRUE(absl::StartsWith(CheckUpdate(request, Rules()).status().message(), "idle_timeout: "));
  request.mutable_idle_timeout()->set_seconds(5);
  (*request.mutable_labels()->mutable_labels())[""] = "x";
  EXPECT_TRUE(absl::StartsWith(CheckUpdate(request, Rules()).status().message(), "labels: "));
}

TEST(SessionRequestTest, AListChecksSizeAndState) {
  v1::ListSessionsRequest request;
  EXPECT_EQ(CheckList(request, Rules())->page_size, 100);
  EXPECT_FALSE(CheckList(request, Rules())->state.has_value());
  request.set_page_size(1000);
  EXPECT_EQ(CheckList(request, Rules())->page_size, 1000);
  request.set_page_size(1001);
  EXPECT_TRUE(absl::StartsWith(CheckList(request, Rules()).status().message(), "page_size: 1001"));
  request.set_page_size(1);
  request.set_state(static_cast<v1::SessionState>(77));
  EXPECT_TRUE(absl::StartsWith(CheckList(request, Rules()).status().message(), "state: 77"));
}

}  // namespace
}  // namespace perennial

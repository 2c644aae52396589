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

RequestRules Rules() { return MakeRequestRules({}, {.max_cache_tokens = 2048}, {}); }

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
  AddMessage(config, v1::ROLE_SYSTEM, std::string(1 << 20, 'x'));
  const absl::StatusOr<CheckedSession> session = CheckSessionConfig(config, Rules());
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->text_bytes, 1 << 20);
}

TEST(SessionRequestTest, TheOpeningIsRenderedAndBounded) {
  ServerOptions options;
  options.engine.max_opening_tokens = 10;
  const RequestRules rules = MakeRequestRules(options, {.max_cache_tokens = 2048}, {});
  CheckedSession session;
  session.history = {{Role::kSystem, "12345678"}};
  ASSERT_TRUE(RenderOpening(BytePromptRenderer(), rules, session).ok());
  EXPECT_EQ(session.spec.opening.size(), 10u);
  session.history = {{Role::kSystem, "123456789"}};
  EXPECT_EQ(RenderOpening(BytePromptRenderer(), rules, session).message(),
            "config.history: 11 tokens are more than 10 (max_opening_tokens)");
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

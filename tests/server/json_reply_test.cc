// Replies under a JSON Schema, from the request to the text: whatever the model would like to say, what comes is JSON
// that satisfies the schema. The model is the fake runner's noise.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/chat_request.h"
#include "server/engine/engine.h"
#include "server/prompt_renderer.h"
#include "tests/fake_clock.h"
#include "tests/fake_model_runner.h"
#include "tests/recording_turn_sink.h"
#include "tests/server/text_checkpoint.h"

namespace perennial {
namespace {

using nlohmann::json;

class JsonReplyTest : public testing::Test {
 protected:
  JsonReplyTest()
      : checkpoint_(""),
        renderer_(*TemplatePromptRenderer::Create(checkpoint_, "chatml", 1'000'000)),
        runner_(FakeOptions{.vocab_size = renderer_->tokenizer().vocab_size(), .script = {}, .before_step = {}}) {
    EngineModel model;
    model.runner = &runner_;
    model.token_bytes = [this](TokenId token) -> absl::string_view { return renderer_->tokenizer().TokenBytes(token); };
    model.end_tokens = {checkpoint_.end()};
    model.reply_end = renderer_->reply_end();
    engine_ = *Engine::Create({}, std::move(model), &clock_, [bits = uint64_t{0}]() mutable { return ++bits; });
    rules_ = MakeRequestRules({}, runner_.limits(), {}, 4);
  }

  // Runs one turn to its end.
  TurnResult Ask(const std::string& schema, int64_t max_tokens, uint64_t seed, RecordingTurnSink& sink) {
    v1::ChatRequest request;
    request.set_message("hello");
    request.set_max_tokens(max_tokens);
    request.mutable_config()->set_cache_tokens(64);
    request.mutable_sampling()->set_temperature(2);
    request.mutable_sampling()->set_seed(seed);
    request.mutable_sampling()->set_json_schema(schema);
    absl::StatusOr<CheckedChat> chat = CheckChat(request, rules_, seed);
    if (!chat.ok()) return Failed(chat.status());
    EXPECT_GT(chat->text_bytes, rules_.options.inline_text_bytes) << "compiled on the text thread";
    absl::StatusOr<TurnSpec> turn = RenderChat(*renderer_, rules_, *std::move(chat));
    if (!turn.ok()) return Failed(turn.status());
    engine_->Submit(*std::move(turn), &sink);
    while (!sink.finished()) engine_->RunOnce();
    return sink.result();
  }

  static TurnResult Failed(absl::Status status) {
    TurnResult result;
    result.status = std::move(status);
    return result;
  }

  const TextCheckpoint checkpoint_;
  const std::unique_ptr<TemplatePromptRenderer> renderer_;
  FakeModelRunner runner_;
  FakeClock clock_;
  std::unique_ptr<Engine> engine_;  // after what it points to
  RequestRules rules_;
};

struct SchemaCase {
  std::string schema;
  std::function<bool(const json&)> satisfied;
};

bool IsTree(const json& node, int depth) {
  if (!node.is_object() || !node.contains("value") || !node["value"].is_boolean() || depth > 500) return false;
  for (const auto& [name, value] : node.items()) {
    if (name != "value" && name != "left") return false;
  }
  return !node.contains("left") || IsTree(node["left"], depth + 1);
}

const std::vector<SchemaCase>& Schemas() {
  static const auto& schemas = *new std::vector<SchemaCase>{
      {R"({"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,
           "maximum":150}},"required":["name","age"],"additionalProperties":false})",
       [](const json& value) {
         return value.is_object() && value.size() == 2 && value["name"].is_string() &&
                value["name"].get<std::string>().size() <= 12 && value["age"].is_number_integer() &&
                value["age"] >= 0 && value["age"] <= 150;
       }},
      {R"({"type":"array","items":{"enum":["red","green",3,null]},"minItems":2,"maxItems":5})",
       [](const json& value) {
         const std::set<json> allowed = {"red", "green", 3, nullptr};
         return value.is_array() && value.size() >= 2 && value.size() <= 5 &&
                std::all_of(value.begin(), value.end(), [&](const json& item) { return allowed.count(item) > 0; });
       }},
      {R"({"anyOf":[{"type":"string","pattern":"^[a-c]{3}-[0-9]{2}$"},{"const":{"a":[1,2]}},{"type":"boolean"}]})",
       [](const json& value) {
         if (value.is_boolean() || value == json::parse(R"({"a":[1,2]})")) return true;
         if (!value.is_string()) return false;
         const std::string text = value;
         return text.size() == 6 && text.find_first_not_of("abc") == 3 && text[3] == '-' &&
                text.find_first_not_of("0123456789", 4) == std::string::npos;
       }},
      {R"({"$defs":{"tree":{"type":"object","properties":{"value":{"type":"boolean"},"left":{"$ref":"#/$defs/tree"}},
           "required":["value"],"additionalProperties":false}},"$ref":"#/$defs/tree"})",
       [](const json& value) { return IsTree(value, 0); }},
      {R"({"type":"string","format":"date"})",
       [](const json& value) { return value.is_string() && value.get<std::string>().size() == 10; }},
      {R"({"type":"number","minimum":-2.5,"maximum":2.5})",
       [](const json& value) { return value.is_number() && value >= -2.5 && value <= 2.5; }},
  };
  return schemas;
}

TEST_F(JsonReplyTest, EveryReplySatisfiesItsSchema) {
  for (const SchemaCase& one : Schemas()) {
    std::set<std::string> texts;
    for (uint64_t seed = 0; seed < 10; ++seed) {
      RecordingTurnSink sink;
      const TurnResult result = Ask(one.schema, 20'000, seed, sink);
      ASSERT_TRUE(result.status.ok()) << result.status << " " << one.schema;
      ASSERT_EQ(result.reason, FinishReason::kEndOfTurn) << one.schema;
      const json value = json::parse(sink.text(), nullptr, /*allow_exceptions=*/false);
      ASSERT_FALSE(value.is_discarded()) << sink.text();
      ASSERT_TRUE(one.satisfied(value)) << sink.text();
      texts.insert(sink.text());
    }
    EXPECT_GT(texts.size(), 1u) << "noise gives different replies: " << one.schema;
  }
}

TEST_F(JsonReplyTest, AReplyIsCutAtMaxTokens) {
  RecordingTurnSink sink;
  const TurnResult result = Ask(Schemas()[0].schema, 5, 1, sink);
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.reason, FinishReason::kMaxTokens);
  EXPECT_EQ(sink.text().size(), 5u);
}

TEST_F(JsonReplyTest, ABadSchemaIsRefusedByName) {
  for (const char* schema : {"{", "[1]", R"({"type":"nothing"})", R"({"not":{}})", R"({"$ref":"http://a/b"})"}) {
    RecordingTurnSink sink;
    const absl::Status status = Ask(schema, 10, 1, sink).status;
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField);
    EXPECT_THAT(std::string(status.message()), testing::StartsWith("sampling.json_schema: ")) << schema;
  }
}

}  // namespace
}  // namespace perennial

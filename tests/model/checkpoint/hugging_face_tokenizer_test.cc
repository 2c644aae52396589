#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "model/checkpoint/hugging_face_config.h"
#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

using nlohmann::json;

absl::StatusOr<TokenizerSettings> Read(const json& settings) { return ReadTokenizerSettings(JsonObject(settings)); }

TEST(HuggingFaceTokenizerTest, ReadsTokensAsTextOrAsObjects) {
  const auto settings = Read({{"bos_token", {{"content", "<s>"}, {"lstrip", false}}}, {"eos_token", "</s>"}});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->bos_text, "<s>");
  EXPECT_EQ(settings->eos_text, "</s>");
  EXPECT_EQ(settings->add_bos, std::nullopt);
  EXPECT_EQ(Read({{"bos_token", nullptr}, {"add_bos_token", false}})->add_bos, false);
}

TEST(HuggingFaceTokenizerTest, ChoosesTheTemplateCalledDefault) {
  EXPECT_EQ(Read({{"chat_template", "one"}})->chat_template, "one");
  const json named = {{{"name", "tool_use"}, {"template", "t"}}, {{"name", "default"}, {"template", "d"}}};
  EXPECT_EQ(Read({{"chat_template", named}})->chat_template, "d");
  EXPECT_EQ(Read({{"chat_template", json::array({named[0]})}})->chat_template, "t");
  EXPECT_EQ(Read({{"chat_template", json::array({named[0], named[0]})}})->chat_template, "");
  EXPECT_EQ(Read(json::object())->chat_template, "");
}

TEST(HuggingFaceTokenizerTest, NamesWrongMembers) {
  ExpectInvalid(Read({{"bos_token", 1}}).status(), "key bos_token is not a string");
  ExpectInvalid(Read({{"bos_token", {{"content", 1}}}}).status(), "key bos_token.content is not a string");
  ExpectInvalid(Read({{"add_bos_token", "yes"}}).status(), "key add_bos_token is not true or false");
  ExpectInvalid(Read({{"chat_template", 1}}).status(), "key chat_template is not a string or a list");
  ExpectInvalid(Read({{"chat_template", {1}}}).status(), "key chat_template has an element");
  ExpectInvalid(Read({{"chat_template", {{{"name", 1}}}}}).status(), "key chat_template[].name is not a string");
}

TEST(HuggingFaceTokenizerTest, ReadsAddedTokens) {
  const auto added = ReadAddedTokens(R"({"added_tokens": [{"id": 7, "content": "<s>"}, {"id": 9, "content": "x"}]})");
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->ids.at("<s>"), 7);
  EXPECT_EQ(*added->TextOf(9), "x");
  EXPECT_EQ(added->TextOf(8), nullptr);
  EXPECT_EQ(added->first_text, "");
}

TEST(HuggingFaceTokenizerTest, FindsTheTokenThatIsPutFirst) {
  const std::string single = R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}},
                                  {"Sequence": {"id": "A"}}]})";
  EXPECT_EQ(ReadAddedTokens("{\"post_processor\": " + single + "}")->first_text, "<s>");
  EXPECT_EQ(ReadAddedTokens(R"({"post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"}, )" +
                            single + "]}}")
                ->first_text,
            "<s>");
  EXPECT_EQ(ReadAddedTokens(R"({"post_processor": {"single": [{"Sequence": {"id": "A"}}]}})")->first_text, "");
  EXPECT_EQ(ReadAddedTokens(R"({"post_processor": {"single": [1], "processors": [1]}})")->first_text, "");
}

TEST(HuggingFaceTokenizerTest, NamesWrongTokenizerFiles) {
  ExpectInvalid(ReadAddedTokens("").status(), "is not valid JSON");
  ExpectInvalid(ReadAddedTokens(R"({"added_tokens": 1})").status(), "key added_tokens is not a list");
  ExpectInvalid(ReadAddedTokens(R"({"added_tokens": [1]})").status(), "key added_tokens has an element");
  ExpectInvalid(ReadAddedTokens(R"({"added_tokens": [{"id": -1}]})").status(), "key added_tokens[].id is -1");
  ExpectInvalid(ReadAddedTokens(R"({"added_tokens": [{"id": 1}]})").status(), "key added_tokens[].content is missing");
}

}  // namespace
}  // namespace perennial

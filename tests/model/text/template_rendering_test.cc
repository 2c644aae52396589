#include "model/text/template_rendering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/text/text_fixture.h"

namespace perennial::text_internal {
namespace {

using ::testing::HasSubstr;

TemplateRendering::Options OptionsFor(std::string source) { return {std::move(source), "<s>", "</s>", 100'000}; }

std::string Render(std::string source, std::vector<TemplateMessage> messages = {}) {
  auto rendering = TemplateRendering::Create(OptionsFor(std::move(source)));
  if (!rendering.ok()) return rendering.status().ToString();
  auto text = rendering->Render(messages, Ending::kBeforeReply, absl::FromUnixSeconds(1'000'000'000));
  return text.ok() ? *text : text.status().ToString();
}

TEST(TemplateRenderingTest, EqualsTransformersOnTheDefaultModelsTemplate) {
  TemplateRendering::Options options = OptionsFor(DefaultCheckpoint().chat_template());
  auto rendering = TemplateRendering::Create(options);
  ASSERT_TRUE(rendering.ok()) << rendering.status();
  const auto golden_file = Golden("smollm2_golden.json");
  for (const auto& prompt : golden_file["prompts"]) {
    std::vector<std::string> roles;
    for (const auto& message : prompt["messages"]) roles.push_back(message["role"]);
    std::vector<TemplateMessage> messages;
    for (size_t i = 0; i < roles.size(); ++i) messages.push_back({roles[i], prompt["messages"][i]["content"]});
    auto text = rendering->Render(messages, Ending::kBeforeReply, absl::UnixEpoch());
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(*text, prompt["text"].get<std::string>());
    messages.push_back({"assistant", prompt["last_answer"]});
    EXPECT_EQ(*rendering->Render(messages, Ending::kAfterLastMessage, absl::UnixEpoch()),
              prompt["closed_text"].get<std::string>());
  }
}

TEST(TemplateRenderingTest, GivesTheVariablesThatTransformersGives) {
  EXPECT_EQ(Render("{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}{{ tools }}{{ documents is none }}"),
            "<s></s>TrueNoneTrue");
  EXPECT_EQ(Render("{% for m in messages %}{{ m.role }}{{ m['content'] }};{% endfor %}", {{"user", "\"x\"\n"}}),
            "user\"x\"\n;");
  EXPECT_EQ(Render("{{ strftime_now('%Y') }}"), "2001");
}

TEST(TemplateRenderingTest, ErrorsAreOneLineAndSayWhy) {
  for (const auto& [source, why] : std::vector<std::pair<std::string, std::string>>{
           {"{% if %}", "does not compile"},
           {"{{ raise_exception('because') }}", "because"},
           {"\xFF", "UTF-8"},
           {"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "fuel"}}) {
    EXPECT_THAT(Render(source), HasSubstr(why));
    EXPECT_EQ(Render(source).find('\n'), std::string::npos);
  }
}

TEST(TemplateRenderingTest, FuelMustBePositive) {
  TemplateRendering::Options options = OptionsFor("x");
  options.fuel = 0;
  EXPECT_EQ(TemplateRendering::Create(options).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace perennial::text_internal

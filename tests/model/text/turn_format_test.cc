#include "model/text/turn_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/text/text_fixture.h"

namespace perennial::text_internal {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<TurnFormat> Learn(const std::string& source) {
  auto rendering = TemplateRendering::Create({source, "<s>", "</s>", 1'000'000});
  if (!rendering.ok()) return rendering.status();
  return TurnFormat::Learn(*std::move(rendering), absl::UnixEpoch());
}

TEST(TurnFormatTest, PiecesAreTheDifferencesOfRenderings) {
  auto format = Learn(DefaultCheckpoint().chat_template());
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ(*format->Turn("Hi"), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(*format->Opening("Be kind.", absl::UnixEpoch()), "<|im_start|>system\nBe kind.<|im_end|>\n");
  EXPECT_THAT(*format->Opening(std::nullopt, absl::UnixEpoch()), HasSubstr("named SmolLM"));
  EXPECT_EQ(format->reply_end(), "<|im_end|>\n");
  EXPECT_EQ(format->reply_lead(), "");
  EXPECT_FALSE(format->first_turn_differs());
  EXPECT_TRUE(format->system_support().ok());
}

TEST(TurnFormatTest, ASystemMessageInsideTheFirstTurnMakesThatOneDiffer) {
  auto format = Learn(*BuiltInChatTemplate("llama2"));
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_TRUE(format->first_turn_differs());
  EXPECT_EQ(*format->Turn("Hi"), "<s>[INST] Hi [/INST]");
  EXPECT_EQ(*format->FirstTurn("Hi", "Be kind.", absl::UnixEpoch()),
            "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST]");
  EXPECT_EQ(format->reply_lead(), " ");
  EXPECT_EQ(format->reply_end(), " </s>");
}

TEST(TurnFormatTest, ATextThatItselfLooksLikeTheStandInIsKept) {
  auto format = Learn(*BuiltInChatTemplate("chatml"));
  ASSERT_TRUE(format.ok()) << format.status();
  const std::string text = *format->Turn("x") + std::string(TurnFormat::kAnswer) + format->reply_end();
  EXPECT_EQ(*format->Turn(text), "<|im_start|>user\n" + text + "<|im_end|>\n<|im_start|>assistant\n");
}

TEST(TurnFormatTest, ATemplateThatLeavesTheSystemMessageOutSaysSo) {
  auto format = Learn(
      "{% for m in messages %}{% if m.role != 'system' %}{{ '<' + m.role + '>' + m.content + '</s>' }}{% endif %}"
      "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}");
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_THAT(std::string(format->Opening("Be kind.", absl::UnixEpoch()).status().message()),
              HasSubstr("leaves it out"));
}

}  // namespace
}  // namespace perennial::text_internal

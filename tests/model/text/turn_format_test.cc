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

// Qwen3, QwQ, DeepSeek-R1: the model's thoughts are in the rendering only while it answers.
TEST(TurnFormatTest, WhatATemplateLeavesOutOfEarlierThoughtsIsNotMissed) {
  const std::string chatml = *BuiltInChatTemplate("chatml");
  // A tag that opens every reply to come, and an empty one before every given reply.
  auto opens = Learn(chatml + "{% if add_generation_prompt %}<think>\n{% endif %}");
  ASSERT_TRUE(opens.ok()) << opens.status();
  EXPECT_EQ(*opens->Turn("Hi"), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n");
  EXPECT_EQ(opens->reply_end(), "<|im_end|>\n");
  EXPECT_EQ(
      opens->answered(),
      "<|im_start|>user\nHow are you today?<|im_end|>\n<|im_start|>assistant\nQuite well, thank you.<|im_end|>\n");
  auto stub = Learn(
      "{% for m in messages %}{{ '<' + m.role + '>' + ('<think></think>' if m.role == 'assistant' else '') + m.content "
      "+ '</s>' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}");
  ASSERT_TRUE(stub.ok()) << stub.status();
  EXPECT_EQ(*stub->Turn("Hi"), "<user>Hi</s><assistant>");
  EXPECT_EQ(stub->reply_lead(), "<think></think>");
  // One before the newest reply only, which is gone when the next message comes.
  auto newest = Learn(
      "{% for m in messages %}{{ '<' + m.role + '>' + ('<think></think>' if m.role == 'assistant' and loop.last else "
      "'') "
      "+ m.content + '</s>' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}");
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ(newest->reply_lead(), "");
  const TemplateMessage history[] = {TemplateMessage{"user", "Hi"}, TemplateMessage{"assistant", "Ho"}};
  EXPECT_EQ(*newest->History(history, absl::UnixEpoch()), "<user>Hi</s><assistant>Ho</s>");
  // White space alone is no thought.
  EXPECT_FALSE(Learn(chatml + "{% if add_generation_prompt %}\n\n{% endif %}").ok());
}

// Phi-3.5: another EOS ends a conversation that is closed.
TEST(TurnFormatTest, AnEosThatTheNextMessageReplacesIsNotTheRepliesEnd) {
  auto format = Learn(*BuiltInChatTemplate("chatml") + "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}");
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ(format->reply_end(), "<|im_end|>\n");
}

// Llama 3's first template.
TEST(TurnFormatTest, ATemplateMayAlwaysWriteTheHeaderOfTheNextReply) {
  auto format = Learn(
      "{{ bos_token }}{% for m in messages %}{{ '<' + m.role + '>' + m.content + '<end>' }}{% endfor %}<assistant>");
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ(format->reply_end(), "<end>");
  EXPECT_EQ(*format->Turn("Hi"), "<user>Hi<end><assistant>");
}

// Mistral's third format.
TEST(TurnFormatTest, ASystemMessageThatMovesToTheNewestMessageStaysInTheFirst) {
  auto format = Learn(
      "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}{% endif %}{{ bos_token }}"
      "{% for m in messages %}{% if m.role == 'user' %}[INST]{% if loop.last and s %}{{ s + '\n\n' }}{% endif %}"
      "{{ m.content }}[/INST]{% elif m.role == 'assistant' %}{{ m.content + eos_token }}{% endif %}{% endfor %}");
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_TRUE(format->system_support().ok() && format->first_turn_differs());
  EXPECT_EQ(*format->FirstTurn("Hi", "Be kind.", absl::UnixEpoch()), "<s>[INST]Be kind.\n\nHi[/INST]");
  EXPECT_EQ(*format->Turn("Hi"), "[INST]Hi[/INST]");
  EXPECT_EQ(*format->History(
                {{{"system", "Be kind."}, {"user", "Hi"}, {"assistant", "Ho"}, {"user", "Bye"}, {"assistant", "Well"}}},
                absl::UnixEpoch()),
            "<s>[INST]Be kind.\n\nHi[/INST]Ho</s>[INST]Bye[/INST]Well</s>");
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

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/text/text_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

// What the built-in `name` makes of a history of four messages.
std::string Rendered(absl::string_view name) {
  ChatTemplateOptions options;
  options.source = *BuiltInChatTemplate(name);
  options.bos_text = "<s>";
  options.eos_text = "</s>";
  auto chat_template = ChatTemplate::Create(options, &DefaultTokenizer());
  if (!chat_template.ok()) return chat_template.status().ToString();
  auto opening = (*chat_template)
                     ->Opening({{{Role::kSystem, "Be kind."},
                                 {Role::kUser, "Hi"},
                                 {Role::kAssistant, "Hello!"},
                                 {Role::kUser, "Bye"},
                                 {Role::kAssistant, "Take care."}}});
  if (!opening.ok()) return opening.status().ToString();
  std::string text;
  for (TokenId token : opening->tokens) {
    text += token == 1 ? "<|im_start|>" : token == 2 ? "<|im_end|>" : DefaultTokenizer().TokenBytes(token);
  }
  return text;
}

// The formats as their models' publishers give them.
TEST(BuiltInTemplatesTest, WriteThePublishedFormats) {
  EXPECT_EQ(Rendered("chatml"),
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!"
            "<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\nTake care.<|im_end|>\n");
  EXPECT_EQ(Rendered("llama2"),
            "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Hello! </s><s>[INST] Bye [/INST] Take care. </s>");
  EXPECT_EQ(Rendered("llama3"),
            "<s><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nTake care.<|eot_id|>");
  EXPECT_EQ(Rendered("mistral"), "<s>[INST] Be kind.\n\nHi [/INST] Hello!</s>[INST] Bye [/INST] Take care.</s>");
  EXPECT_EQ(Rendered("gemma"),
            "<s><start_of_turn>user\nBe kind.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n"
            "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\nTake care.<end_of_turn>\n");
  EXPECT_EQ(Rendered("phi3"),
            "<|system|>\nBe kind.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello!<|end|>\n<|user|>\nBye<|end|>\n"
            "<|assistant|>\nTake care.<|end|>\n");
  EXPECT_EQ(Rendered("zephyr"),
            "<|system|>\nBe kind.</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello!</s>\n<|user|>\nBye</s>\n<|assistant|>\n"
            "Take care.</s>\n");
  EXPECT_EQ(Rendered("plain"), "Be kind.\nUser: Hi\nAssistant: Hello!\nUser: Bye\nAssistant: Take care.\n");
}

TEST(BuiltInTemplatesTest, AnUnknownNameListsTheKnownOnes) {
  const absl::Status status = BuiltInChatTemplate("alpaca").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("chatml, gemma, llama2, llama3, mistral, phi3, zephyr, plain"));
}

}  // namespace
}  // namespace perennial

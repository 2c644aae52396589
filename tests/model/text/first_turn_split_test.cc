// Templates whose first message begins in the opening, through ChatTemplate: opening and first turn together against
// the whole rendering, written out here by hand.

#include "model/text/first_turn_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/model/text/text_fixture.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

using Tokens = std::vector<TokenId>;

absl::StatusOr<std::unique_ptr<ChatTemplate>> Create(const std::string& source, const Tokenizer& tokenizer,
                                                     const std::string& bos_text) {
  ChatTemplateOptions options;
  options.source = source;
  options.bos_text = bos_text;
  options.eos_text = "</s>";
  options.bos_token = tokenizer.ControlToken(bos_text);
  return ChatTemplate::Create(options, &tokenizer);
}

std::vector<Message> SystemOrNone(const std::string& system) {
  return system.empty() ? std::vector<Message>() : std::vector<Message>{{Role::kSystem, system}};
}

Tokens Together(const SessionOpening& opening, const UserTurn& turn) {
  Tokens tokens = opening.tokens;
  const Tokens& own = FirstTurnTokens(turn, opening.first_turn);
  tokens.insert(tokens.end(), own.begin(), own.end());
  return tokens;
}

std::string Llama2(const std::string& bos, const std::string& system, const std::string& user) {
  const std::string prompt = system.empty() ? "" : absl::StrCat("<<SYS>>\n", system, "\n<</SYS>>\n\n");
  return absl::StrCat(bos, "[INST] ", prompt, absl::StripAsciiWhitespace(user), " [/INST]");
}

std::string Mistral(const std::string& bos, const std::string& system, const std::string& user) {
  return absl::StrCat(bos, "[INST] ", system, system.empty() ? "" : "\n\n", user, " [/INST]");
}

TEST(FirstTurnSplitTest, OpeningAndFirstTurnAreTheWholeRenderingsTokens) {
  const auto sentence_piece = *Tokenizer::Create(SentencePieceVocabulary(), "");
  const std::pair<const Tokenizer*, std::string> tokenizers[] = {{sentence_piece.get(), "<s>"},
                                                                 {&DefaultTokenizer(), "<|endoftext|>"}};
  for (const auto& [tokenizer, bos] : tokenizers) {
    for (const bool is_llama2 : {true, false}) {
      const auto chat_template = Create(*BuiltInChatTemplate(is_llama2 ? "llama2" : "mistral"), *tokenizer, bos);
      ASSERT_TRUE(chat_template.ok()) << chat_template.status();
      for (const std::string& system :
           {std::string(), std::string("Be brief."), std::string("Say hello to the world"),
            std::string("two lines\nof 12 words:"), std::string("\xE4\xBD\xA0\xE5\xA5\xBD")}) {
        const auto opening = (*chat_template)->Opening(SystemOrNone(system));
        ASSERT_TRUE(opening.ok()) << opening.status();
        EXPECT_EQ(opening->first_turn, system.empty() ? FirstTurn::kOpens : FirstTurn::kOpensAfterSystem);
        EXPECT_THAT(BytesOf(*tokenizer, opening->tokens), HasSubstr(system)) << "the sinks are there";
        for (const char* user : {"Hi", "hello world", "42 is it?", "the world, and me", " indented", "\nafter a line",
                                 "(x) \"y\"", "\xE4\xBD\xA0\xE5\xA5\xBD", "\xF0\x9F\x99\x82", "x"}) {
          const auto turn = (*chat_template)->Turn(user);
          ASSERT_TRUE(turn.ok()) << turn.status();
          const std::string whole = is_llama2 ? Llama2(bos, system, user) : Mistral(bos, system, user);
          EXPECT_EQ(Together(*opening, *turn), *tokenizer->EncodeRendered(whole)) << whole;
        }
      }
    }
  }
}

// What merges across the seam has other tokens, but nothing is lost or said twice.
TEST(FirstTurnSplitTest, TextsThatMergeAcrossTheSeamStayWhole) {
  const Tokenizer& tokenizer = DefaultTokenizer();
  const std::string bos = "<|endoftext|>";
  const auto chat_template = Create(*BuiltInChatTemplate("mistral"), tokenizer, bos);
  ASSERT_TRUE(chat_template.ok()) << chat_template.status();
  int merged = 0;
  for (const std::string& system : {std::string(), std::string("Be brief."), std::string("Ends with a line.\n"),
                                    std::string("Ends with two:\n\n")}) {
    const auto opening = (*chat_template)->Opening(SystemOrNone(system));
    ASSERT_TRUE(opening.ok()) << opening.status();
    for (const char* user : {"Hi", "\nafter a line", "\n\n\nafter three", "\r\n\r\n", " ", "..."}) {
      const auto turn = (*chat_template)->Turn(user);
      ASSERT_TRUE(turn.ok()) << turn.status();
      const Tokens together = Together(*opening, *turn);
      const std::string whole = Mistral("", system, user);
      EXPECT_EQ(BytesOf(tokenizer, together), whole);
      EXPECT_EQ(together.front(), tokenizer.ControlToken(bos));
      if (together != *tokenizer.EncodeRendered(bos + whole)) ++merged;
    }
  }
  EXPECT_GT(merged, 0) << "else the test tests nothing";
}

TEST(FirstTurnSplitTest, AFirstMessageThatDependsOnTheSystemPromptIsRefused) {
  const std::string source =
      "{% set ns = namespace(system='') %}{% for message in messages %}"
      "{% if message.role == 'system' %}{% set ns.system = message.content %}"
      "{% elif message.role == 'user' %}[INST] {{ ns.system + '\n\n' + message.content }}"
      "{% if 'pirate' in ns.system %} Arr!{% endif %}{% set ns.system = '' %} [/INST]"
      "{% else %}{{ ' ' + message.content + eos_token }}{% endif %}{% endfor %}";
  const absl::Status status = Create(source, DefaultTokenizer(), "<|endoftext|>").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("depends on the system message"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("chatml, gemma, llama2"));
}

// A template of Llama 2's kind; `system` is what it does with a system message.
std::string TemplateThat(const std::string& system) {
  return absl::StrCat(
      "{% set ns = namespace(system='') %}{% for message in messages %}{% if message.role == 'system' %}", system,
      "{% elif message.role == 'user' %}{{ bos_token + '[INST] ' + ns.system + message.content + ' [/INST]' }}"
      "{% set ns.system = '' %}{% else %}{{ ' ' + message.content + eos_token }}{% endif %}{% endfor %}");
}

TEST(FirstTurnSplitTest, ABlankSystemMessageThatTheTemplateLeavesOutIsNone) {
  const auto chat_template =
      Create(TemplateThat("{% if message.content|trim %}{% set ns.system = message.content + '\n\n' %}{% endif %}"),
             DefaultTokenizer(), "<|endoftext|>");
  ASSERT_TRUE(chat_template.ok()) << chat_template.status();
  const auto none = (*chat_template)->Opening({});
  const auto blank = (*chat_template)->Opening({{{Role::kSystem, " \n"}}});
  ASSERT_TRUE(none.ok() && blank.ok()) << blank.status();
  EXPECT_EQ(blank->first_turn, FirstTurn::kOpens);
  EXPECT_EQ(blank->tokens, none->tokens);
}

TEST(FirstTurnSplitTest, ATemplateWithoutSystemMessagesHasNoVariantAfterOne) {
  const auto chat_template =
      Create(TemplateThat("{{ raise_exception('no system') }}"), DefaultTokenizer(), "<|endoftext|>");
  ASSERT_TRUE(chat_template.ok()) << chat_template.status();
  EXPECT_EQ((*chat_template)->Opening({})->first_turn, FirstTurn::kOpens);
  EXPECT_THAT(std::string((*chat_template)->Opening({{{Role::kSystem, "x"}}}).status().message()),
              HasSubstr("no system"));
  const auto turn = (*chat_template)->Turn("Hi");
  ASSERT_TRUE(turn.ok()) << turn.status();
  EXPECT_TRUE(turn->tokens_if_first.has_value());
  EXPECT_FALSE(turn->tokens_if_first_after_system.has_value());
}

TEST(FirstTurnSplitTest, NoTextOfAFirstMessageBecomesAControlToken) {
  const auto chat_template = Create(*BuiltInChatTemplate("llama2"), DefaultTokenizer(), "<|endoftext|>");
  ASSERT_TRUE(chat_template.ok()) << chat_template.status();
  const auto opening = (*chat_template)->Opening({{{Role::kSystem, "<|im_end|>"}}});
  const auto turn = (*chat_template)->Turn("<|endoftext|><|im_end|>");
  ASSERT_TRUE(opening.ok() && turn.ok()) << opening.status() << turn.status();
  const Tokens stream = Together(*opening, *turn);
  for (size_t i = 1; i < stream.size(); ++i) EXPECT_FALSE(DefaultTokenizer().IsControl(stream[i]));
  EXPECT_EQ(BytesOf(DefaultTokenizer(), stream), Llama2("", "<|im_end|>", "<|endoftext|><|im_end|>"));
}

}  // namespace
}  // namespace perennial

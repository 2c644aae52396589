// How ChatTemplate's pieces fit together: turns, messages that come with their replies, notes.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/text/chat_template.h"
#include "tests/model/text/text_fixture.h"

namespace perennial {
namespace {

using Tokens = std::vector<TokenId>;

std::unique_ptr<ChatTemplate> Make(ChatTemplateOptions options, const Tokenizer& tokenizer = DefaultTokenizer()) {
  auto made = ChatTemplate::Create(std::move(options), &tokenizer);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

void Append(Tokens& stream, const Tokens& tokens) { stream.insert(stream.end(), tokens.begin(), tokens.end()); }

TokenId CountOf(const Tokens& tokens, TokenId token) {
  return static_cast<TokenId>(std::count(tokens.begin(), tokens.end(), token));
}

TEST(ChatTemplatePartsTest, TheSinkTokenComesBeforeEverythingInEveryOpening) {
  ChatTemplateOptions options = DefaultTemplateOptions();
  options.add_bos = true;
  const auto plain = Make(options);
  options.sink_token = 7;
  const auto with_sink = Make(options);
  const std::vector<std::vector<Message>> histories = {
      {}, {{Role::kSystem, "Be brief."}}, {{Role::kUser, "Hi"}, {Role::kAssistant, "Hello"}}};
  for (const std::vector<Message>& history : histories) {
    const SessionOpening without = *plain->Opening(history);
    const SessionOpening opening = *with_sink->Opening(history);
    Tokens expected = {7};
    Append(expected, without.tokens);
    EXPECT_EQ(opening.tokens, expected);
    EXPECT_EQ(opening.head_tokens, without.head_tokens + 1);
  }
  EXPECT_EQ(with_sink->Turn("Hi")->tokens, plain->Turn("Hi")->tokens);
  options.sink_token = options.bos_token;  // a model may have been trained with BOS as its sink
  EXPECT_EQ(Make(options)->Opening({})->tokens, plain->Opening({})->tokens);
  EXPECT_EQ(with_sink->Notes("Facts")->front(), plain->Notes("Facts")->front());
}

// Pieces of a SentencePiece stream must not get the space that stands before a whole text.
TEST(ChatTemplatePartsTest, SentencePiecePiecesTogetherAreTheWholeRenderingsTokens) {
  const auto tokenizer = *Tokenizer::Create(SentencePieceVocabulary(), "");
  for (const char* name : {"llama2", "mistral", "zephyr"}) {
    ChatTemplateOptions options;
    options.source = *BuiltInChatTemplate(name);
    options.bos_text = "<s>";
    options.eos_text = "</s>";
    options.bos_token = tokenizer->ControlToken("<s>");
    options.add_bos = true;
    ASSERT_NE(*options.bos_token, kNoToken);
    const auto chat_template = Make(options, *tokenizer);
    EXPECT_TRUE(chat_template->trims_reply());
    const SessionOpening opening = *chat_template->Opening({});
    Tokens stream = opening.tokens;
    Append(stream, FirstTurnTokens(*chat_template->Turn("hello world"), opening.first_turn));
    const Tokens opened = stream;
    Append(stream, *tokenizer->EncodeText("the answer"));
    Append(stream, chat_template->reply_end());
    Append(stream, chat_template->Turn("and now?")->tokens);
    const Tokens whole = chat_template
                             ->Opening({{{Role::kUser, "hello world"},
                                         {Role::kAssistant, "the answer"},
                                         {Role::kUser, "and now?"},
                                         {Role::kAssistant, "x"}}})
                             ->tokens;
    ASSERT_GT(whole.size(), opened.size());
    EXPECT_TRUE(std::equal(opened.begin(), opened.end(), whole.begin())) << name;
    // Zephyr's reply stands after a line break, where a whole text's leading space has no place.
    if (std::string(name) == "zephyr") continue;
    EXPECT_TRUE(std::equal(stream.begin(), stream.end(), whole.begin())) << name;
  }
}

// A session that is given messages after its opening has the stream of one that was made with them.
TEST(ChatTemplatePartsTest, MessagesFedLaterAreAHistoryInEveryTemplate) {
  const std::vector<Message> turns = {{Role::kUser, "hello world"},
                                      {Role::kAssistant, "the answer"},
                                      {Role::kUser, "and now?"},
                                      {Role::kAssistant, "another one"}};
  const auto sentence_piece = *Tokenizer::Create(SentencePieceVocabulary(), "");
  for (const Tokenizer* tokenizer : {&DefaultTokenizer(), static_cast<const Tokenizer*>(sentence_piece.get())}) {
    // Not llama3: these vocabularies lack its control tokens, and its messages' ends and beginnings merge.
    for (const char* name : {"chatml", "llama2", "mistral", "zephyr", "plain"}) {
      ChatTemplateOptions options;
      options.source = *BuiltInChatTemplate(name);
      options.bos_text = tokenizer == &DefaultTokenizer() ? "<|endoftext|>" : "<s>";
      options.eos_text = tokenizer == &DefaultTokenizer() ? "<|im_end|>" : "</s>";
      options.bos_token = tokenizer->ControlToken(options.bos_text);
      options.add_bos = true;
      const auto chat_template = Make(options, *tokenizer);
      for (const std::vector<Message>& system :
           {std::vector<Message>{}, std::vector<Message>{{Role::kSystem, "Be brief."}}}) {
        std::vector<Message> history = system;
        history.insert(history.end(), turns.begin(), turns.end());
        const SessionOpening opening = *chat_template->Opening(system);
        EXPECT_EQ(opening.head_tokens, static_cast<int32_t>(opening.tokens.size()));
        auto continuation = chat_template->Continuation(turns);
        ASSERT_TRUE(continuation.ok()) << name << continuation.status();
        Tokens stream = opening.tokens;
        Append(stream, FirstTurnTokens(*continuation, opening.first_turn));
        Append(stream, chat_template->reply_end());
        const SessionOpening whole = *chat_template->Opening(history);
        EXPECT_EQ(stream, whole.tokens) << name << system.size() << BytesOf(*tokenizer, stream) << "/"
                                        << BytesOf(*tokenizer, whole.tokens);
        EXPECT_EQ(whole.head_tokens, opening.head_tokens) << name;
        // Two halves are as good as the whole.
        stream = opening.tokens;
        Append(stream, FirstTurnTokens(*chat_template->Continuation({turns[0], turns[1]}), opening.first_turn));
        Append(stream, chat_template->reply_end());
        Append(stream, chat_template->Continuation({turns[2], turns[3]})->tokens);
        Append(stream, chat_template->reply_end());
        EXPECT_EQ(stream, whole.tokens) << name << system.size();
      }
    }
  }
}

TEST(ChatTemplatePartsTest, NotesAreASystemMessageWithoutBosOrPlainText) {
  for (const char* name : {"chatml", "gemma", "llama2", "llama3", "mistral", "phi3", "zephyr", "plain"}) {
    ChatTemplateOptions options = DefaultTemplateOptions();
    options.source = *BuiltInChatTemplate(name);
    options.bos_token = 0;
    options.bos_text = "<|endoftext|>";
    options.add_bos = true;
    const auto chat_template = Make(options);
    Tokens notes = *chat_template->Notes("The dog is called Rex.");
    EXPECT_EQ(CountOf(notes, 0), 0) << name;
    const std::set<std::string> system_inside = {"gemma", "llama2", "mistral"};
    const bool inside_first_message = system_inside.count(name) > 0;
    if (inside_first_message) {
      EXPECT_EQ(notes, *DefaultTokenizer().EncodeText("The dog is called Rex.\n"));
    } else {
      notes.insert(notes.begin(), 0);
      EXPECT_EQ(notes, chat_template->Opening({{{Role::kSystem, "The dog is called Rex."}}})->tokens) << name;
    }
    EXPECT_EQ(chat_template->Notes("")->size(), 0u);
  }
}

}  // namespace
}  // namespace perennial

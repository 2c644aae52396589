// What the tests of model/text share: the default model's tokenizer, the golden files, small vocabularies.

#ifndef PERENNIAL_TESTS_MODEL_TEXT_TEXT_FIXTURE_H_
#define PERENNIAL_TESTS_MODEL_TEXT_TEXT_FIXTURE_H_

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"

namespace perennial {

// A golden file of tests/golden/text.
inline nlohmann::json Golden(const std::string& name) {
  std::ifstream file(PERENNIAL_SOURCE_DIR "/tests/golden/text/" + name);
  EXPECT_TRUE(file.good()) << name;
  return nlohmann::json::parse(file);
}

// The default model's checkpoint, opened once; it must be there (./dev setup fetches it).
inline const Checkpoint& DefaultCheckpoint() {
  static const auto& checkpoint = *new std::unique_ptr<Checkpoint>([] {
    auto opened = Checkpoint::Open(PERENNIAL_SOURCE_DIR "/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf");
    if (!opened.ok()) ADD_FAILURE() << opened.status();
    return *std::move(opened);
  }());
  return *checkpoint;
}

inline const Tokenizer& DefaultTokenizer() {
  static const auto& tokenizer = *new std::unique_ptr<Tokenizer>(
      *Tokenizer::Create(DefaultCheckpoint().tokenizer(), DefaultCheckpoint().chat_template()));
  return *tokenizer;
}

inline ChatTemplateOptions DefaultTemplateOptions() { return ChatTemplateOptions::Of(DefaultCheckpoint()); }

// The vocabulary of sentence_piece.json, with the controls <s> and </s> of Llama 2.
inline GgufVocabulary SentencePieceVocabulary() {
  const nlohmann::json golden = Golden("sentence_piece.json");
  GgufVocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.tokens = golden["tokens"].get<std::vector<std::string>>();
  vocabulary.scores = golden["scores"].get<std::vector<float>>();
  vocabulary.types = golden["types"].get<std::vector<int32_t>>();
  vocabulary.add_space_prefix = true;
  return vocabulary;
}

// The bytes that a reply made of `tokens` would have.
inline std::string BytesOf(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens) {
  std::string bytes;
  for (TokenId token : tokens) bytes += tokenizer.TokenBytes(token);
  return bytes;
}

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_TEXT_TEXT_FIXTURE_H_

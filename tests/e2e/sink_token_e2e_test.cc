// perenniald with a model that was trained with a sink token: what its configuration says reaches the sessions.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/chat_calls.h"
#include "tests/e2e/server_process.h"
#include "tests/model/checkpoint/tiny_hugging_face.h"

namespace perennial {
namespace {

constexpr int kSinkToken = 100;

// A directory of a tiny model whose tokens are the printable ASCII characters, space and line feed.
std::string WriteModel(const std::string& name, bool has_sink_token) {
  TinyHuggingFace files;
  nlohmann::json vocabulary;
  int next = 0;
  for (char c = '!'; c <= '~'; ++c) vocabulary[std::string(1, c)] = next++;
  vocabulary["\xc4\xa0"] = next++;  // the byte-level alphabet's space and line feed
  vocabulary["\xc4\x8a"] = next++;
  const int end = next;
  const nlohmann::json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const auto control = [](int id, const char* text) -> nlohmann::json {
    return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
            {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  files.tokenizer = {{"added_tokens", {control(end, "<|end|>"), control(kSinkToken, "<|sink|>")}},
                     {"pre_tokenizer", byte_level},
                     {"decoder", byte_level},
                     {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}}};
  files.tokenizer_config = {{"eos_token", "<|end|>"}};
  files.config["vocab_size"] = kSinkToken + 1;
  files.config["bos_token_id"] = nullptr;
  files.config["eos_token_id"] = end;
  if (has_sink_token) files.config["sink_token_id"] = kSinkToken;
  for (const char* matrix : {"model.embed_tokens.weight", "lm_head.weight"}) {
    files.tensors[matrix].shape = {kSinkToken + 1, 4};
  }
  return files.Write(name);
}

v1::GetModelResponse ModelOf(v1::ChatService::Stub& stub) {
  grpc::ClientContext context;
  v1::GetModelResponse model;
  const grpc::Status status = stub.GetModel(&context, {}, &model);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return model;
}

TEST(SinkTokenE2eTest, AModelThatWasTrainedWithASinkTokenKeepsThatOne) {
  for (const bool has_sink_token : {false, true}) {
    const std::string path = WriteModel(has_sink_token ? "with_sink_token" : "without_sink_token", has_sink_token);
    ServerProcess server(PERENNIALD, {absl::StrCat("--model=", path), "--chat_template=plain", "--cache_tokens=32",
                                      "--cache_memory=1MiB", "--threads=1"});
    const auto stub = Connect(server.address());
    EXPECT_EQ(ModelOf(*stub).defaults().sink_tokens(), has_sink_token ? 1 : 4);
    v1::Session session = NewSession(*stub);
    EXPECT_EQ(session.memory().sink_tokens(), has_sink_token ? 1 : 4);
    ASSERT_TRUE(GetSession(*stub, session.session_id(), &session).ok());
    EXPECT_EQ(session.memory().stream_tokens(), has_sink_token ? 1 : 0) << "the sink token itself";
  }
}

}  // namespace
}  // namespace perennial

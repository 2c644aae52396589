#include "server/model_answer.h"

#include <gtest/gtest.h>

#include <string>

namespace perennial {
namespace {

TEST(ModelAnswerTest, EveryFieldIsFilledIn) {
  ServerOptions options;
  options.cache_tokens = 512;
  options.engine.parked_memory = 1 << 20;
  options.engine.transcript_turns = 7;  // 0: none are kept
  options.engine.max_session_tokens = 1 << 20;
  const RunnerLimits runner = {.vocab_size = 1000,
                               .max_tokens_per_step = 512,
                               .max_cache_tokens = 2048,
                               .trained_tokens = 2048,
                               .cache_bytes_per_token = 100,
                               .cache_memory_bytes = 1 << 20};
  GenerationDefaults generation;
  generation.temperature = 0.3f;
  const RequestRules rules = MakeRequestRules(options, runner, generation, 4);
  const v1::GetModelResponse answer = MakeModelAnswer({.name = "m", .architecture = "llama", .runner = "r"}, rules, 9);
  EXPECT_EQ(answer.model(), "m");
  EXPECT_EQ(answer.api_revision(), 9);
  EXPECT_FLOAT_EQ(answer.defaults().sampling().temperature(), 0.3f);
  EXPECT_FALSE(answer.defaults().sampling().has_seed());
  EXPECT_EQ(answer.limits().default_size_sessions(), (1 << 20) / (512 * 100));
  EXPECT_EQ(answer.limits().max_cache_tokens(), 2048);
  // A field that nobody filled in would say that there is no limit. (A zero is meaningful only in sampling.)
  for (const google::protobuf::Message* message : {static_cast<const google::protobuf::Message*>(&answer),
                                                   static_cast<const google::protobuf::Message*>(&answer.limits()),
                                                   static_cast<const google::protobuf::Message*>(&answer.defaults())}) {
    const google::protobuf::Descriptor* descriptor = message->GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      EXPECT_TRUE(message->GetReflection()->HasField(*message, descriptor->field(i)))
          << descriptor->field(i)->full_name();
    }
  }
}

}  // namespace
}  // namespace perennial

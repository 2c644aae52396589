#include "model/checkpoint/family.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

TEST(FamilyTest, EveryFamilyIsFoundByItsNamesAndNobodyElses) {
  std::set<std::string> names;
  for (const Family* family : Families()) {
    ASSERT_FALSE(family->hugging_face.empty() && family->gguf.empty()) << family->name;
    for (const absl::string_view name : family->hugging_face) {
      EXPECT_TRUE(names.insert(std::string(name)).second) << name;
      EXPECT_EQ(FindHuggingFaceFamily(name).value(), family);
      EXPECT_TRUE(family->read_hugging_face != nullptr && family->hugging_face_names != nullptr) << name;
    }
    if (family->gguf.empty()) continue;
    EXPECT_TRUE(names.insert("gguf " + std::string(family->gguf)).second);
    EXPECT_EQ(FindGgufFamily(family->gguf).value(), family);
    EXPECT_TRUE(family->read_gguf != nullptr && family->gguf_names != nullptr) << family->gguf;
  }
}

TEST(FamilyTest, SaysWhyAnArchitectureIsRefused) {
  for (const char* name :
       {"GPT2LMHeadModel", "gpt2", "OPTForCausalLM", "opt", "GPTNeoForCausalLM", "GPTBigCodeForCausalLM"})
    ExpectUnimplemented(FindHuggingFaceFamily(name).status(), "learns a vector for every absolute position");
  for (const char* name : {"Llama4ForCausalLM", "Llama4ForConditionalGeneration", "llama4_text"})
    ExpectUnimplemented(FindHuggingFaceFamily(name).status(), "its attention is cut into chunks");
  ExpectUnimplemented(FindGgufFamily("llama4").status(), "its attention is cut into chunks");
  ExpectUnimplemented(FindGgufFamily("gpt2").status(), "learns a vector for every absolute position");
  ExpectUnimplemented(FindHuggingFaceFamily("MixtralForCausalLM").status(), "mixtures of experts");
  ExpectUnimplemented(FindHuggingFaceFamily("").status(), "FalconForCausalLM");
  ExpectUnimplemented(FindGgufFamily("a\nb").status(), "supported in GGUF are llama, qwen2");
}

// Press et al., 2022: a geometric sequence that starts at 2^(-8/n).
TEST(FamilyTest, SlopesFallGeometrically) {
  EXPECT_EQ(AlibiSlopes(8, 8.0),
            (std::vector<float>{0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f, 0.015625f, 0.0078125f, 0.00390625f}));
  const std::vector<float> six = AlibiSlopes(6, 8.0);  // those of 4 heads, then every second one of 8 heads
  EXPECT_EQ(six, (std::vector<float>{0.25f, 0.0625f, 0.015625f, 0.00390625f, 0.5f, 0.125f}));
  EXPECT_EQ(AlibiSlopes(1, 4.0), (std::vector<float>{0.0625f}));
}

}  // namespace
}  // namespace perennial

#include "model/checkpoint/gguf_metadata.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/model/checkpoint/expect_error.h"
#include "tests/model/checkpoint/gguf_writer.h"

namespace perennial {
namespace {

class GgufMetadataTest : public testing::Test {
 protected:
  GgufMetadataTest() {
    GgufWriter writer;
    writer.SetUint32("integer", 7)
        .SetFloat("real", 1.5f)
        .SetFloat("infinite", std::numeric_limits<float>::infinity())
        .SetBool("bool", true)
        .SetString("string", "text")
        .SetInts("list", {1, 2});
    bytes_ = writer.Build();
    file_ = *ReadGguf(AsBytes(bytes_));
  }

  std::string bytes_;
  GgufFile file_;
  GgufMetadata metadata_{file_};
};

TEST_F(GgufMetadataTest, FindsValuesOfTheirType) {
  EXPECT_EQ(*metadata_.GetInteger("integer", 0, 10), 7);
  EXPECT_EQ(**metadata_.FindReal("real"), 1.5);
  EXPECT_EQ(**metadata_.FindReal("integer"), 7.0);
  EXPECT_EQ(**metadata_.FindBool("bool"), true);
  EXPECT_EQ(*metadata_.GetString("string"), "text");
  EXPECT_EQ((*metadata_.FindArray("list"))->size, 2u);
}

TEST_F(GgufMetadataTest, TellsAbsentFromWrong) {
  EXPECT_FALSE(metadata_.FindInteger("absent", 0, 1)->has_value());
  EXPECT_FALSE(metadata_.FindReal("absent")->has_value());
  EXPECT_EQ(*metadata_.FindArray("absent"), nullptr);
  ExpectInvalid(metadata_.GetInteger("absent", 0, 1).status(), "metadata key absent is missing");
  ExpectInvalid(metadata_.GetString("absent").status(), "metadata key absent is missing");
  ExpectInvalid(metadata_.FindInteger("string", 0, 1).status(), "metadata key string is not an integer");
  ExpectInvalid(metadata_.FindInteger("real", 0, 1).status(), "metadata key real is not an integer");
  ExpectInvalid(metadata_.FindReal("infinite").status(), "metadata key infinite is not a finite number");
  ExpectInvalid(metadata_.FindBool("integer").status(), "metadata key integer is not a bool");
  ExpectInvalid(metadata_.FindString("bool").status(), "metadata key bool is not a string");
  ExpectInvalid(metadata_.FindArray("string").status(), "metadata key string is not an array");
}

TEST_F(GgufMetadataTest, NamesTheRange) {
  ExpectInvalid(metadata_.GetInteger("integer", 8, 9).status(), "metadata key integer is 7; it must be from 8 to 9");
  ExpectInvalid(metadata_.GetInteger("integer", 0, 6).status(), "must be from 0 to 6");
}

}  // namespace
}  // namespace perennial

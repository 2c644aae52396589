#include "model/checkpoint/json_object.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/model/checkpoint/expect_error.h"

namespace perennial {
namespace {

absl::Status ParseStatus(const std::string& text, size_t max_bytes = 1 << 20) {
  return ParseJsonObject(text, max_bytes).status();
}

TEST(JsonObjectTest, ParsesAnObject) {
  const auto parsed = ParseJsonObject(R"({"a": [1, {"b": "c"}], "d": null})", 100);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)["a"][1]["b"], "c");
}

TEST(JsonObjectTest, RefusesWhatIsNotAnObjectInJson) {
  ExpectInvalid(ParseStatus(""), "is not valid JSON");
  ExpectInvalid(ParseStatus("{\"a\": 1"), "is not valid JSON");
  ExpectInvalid(ParseStatus("{\"a\": 1} x"), "is not valid JSON");
  ExpectInvalid(ParseStatus("{\"a\": 1e999}"), "is not valid JSON");
  ExpectInvalid(ParseStatus("{\"a\": \"\xFF\"}"), "is not valid JSON");
  ExpectInvalid(ParseStatus("{\"a\": NaN}"), "is not valid JSON");
  ExpectInvalid(ParseStatus("[1]"), "is not a JSON object");
}

TEST(JsonObjectTest, RefusesTooManyBytes) {
  ExpectInvalid(ParseStatus("{\"a\": 1}", 7), "has 8 bytes, more than the 7 allowed");
}

TEST(JsonObjectTest, RefusesDeepNestingBeforeParsing) {
  const auto nested = [](int depth) {
    return "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_TRUE(ParseStatus(nested(64)).ok());
  ExpectInvalid(ParseStatus(nested(65)), "nested 65 levels deep, more than the 64 allowed");
  ExpectInvalid(ParseStatus(std::string(1000000, '[')), "nested 1000000 levels deep");
  ExpectInvalid(ParseStatus("{\"\\\"[\": " + std::string(64, '[')), "nested 65 levels deep");
}

TEST(JsonObjectTest, DoesNotCountBracketsInStrings) {
  EXPECT_TRUE(ParseStatus("{\"a\": \"" + std::string(100, '[') + "\\\"" + std::string(100, '{') + "\"}").ok());
}

TEST(JsonObjectTest, RefusesAMemberThatOccursTwice) {
  ExpectInvalid(ParseStatus(R"({"a": 1, "b": 2, "a": 3})"), "member \"a\" occurs twice");
}

TEST(JsonObjectTest, KeepsOnlyWhatIsAskedFor) {
  const auto parsed = ParseJsonObject(R"({"model": {"vocab": [1, {"x": 2}]}, "keep": {"model": 1}})", 100, {"keep"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->dump(), R"({"keep":{"model":1}})");
}

class JsonLookUpTest : public testing::Test {
 protected:
  const nlohmann::json parsed_ = *ParseJsonObject(
      R"({"integer": 7, "huge": 18446744073709551615, "real": 1.5, "bool": true, "text": "t", "null": null,
          "list": [1, 2], "mixed": [1, "2"], "token": {"content": "<s>"}, "object": {"inner": "x"}})",
      1000);
  const JsonObject object_{parsed_};
};

TEST_F(JsonLookUpTest, FindsValuesOfTheirType) {
  EXPECT_EQ(*object_.GetInteger("integer", 0, 10), 7);
  EXPECT_EQ(**object_.FindReal("integer"), 7.0);
  EXPECT_EQ(**object_.FindReal("real"), 1.5);
  EXPECT_EQ(**object_.FindBool("bool"), true);
  EXPECT_EQ(**object_.FindString("text"), "t");
  EXPECT_EQ(*object_.FindIntegers("list", 0, 2), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(*object_.FindIntegers("integer", 0, 10), (std::vector<int64_t>{7}));
  EXPECT_EQ(**object_.FindTokenText("text"), "t");
  EXPECT_EQ(**object_.FindTokenText("token"), "<s>");
}

TEST_F(JsonLookUpTest, TreatsNullAsAbsent) {
  for (const char* key : {"null", "absent"}) {
    EXPECT_EQ(object_.Find(key), nullptr);
    EXPECT_FALSE(object_.FindInteger(key, 0, 1)->has_value());
    EXPECT_FALSE(object_.FindReal(key)->has_value());
    EXPECT_FALSE(object_.FindBool(key)->has_value());
    EXPECT_FALSE(object_.FindString(key)->has_value());
    EXPECT_FALSE(object_.FindTokenText(key)->has_value());
    EXPECT_FALSE(object_.FindObject(key)->has_value());
    EXPECT_TRUE(object_.FindIntegers(key, 0, 1)->empty());
    ExpectInvalid(object_.GetInteger(key, 0, 1).status(), std::string("key ") + key + " is missing");
  }
}

TEST_F(JsonLookUpTest, NamesTheKeyAndTheReason) {
  ExpectInvalid(object_.GetInteger("integer", 8, 9).status(), "key integer is 7; it must be from 8 to 9");
  ExpectInvalid(object_.GetInteger("huge", 0, 9).status(), "key huge is not an integer below 2^63");
  ExpectInvalid(object_.GetInteger("real", 0, 9).status(), "key real is not an integer");
  ExpectInvalid(object_.FindReal("text").status(), "key text is not a finite number");
  ExpectInvalid(object_.FindBool("integer").status(), "key integer is not true or false");
  ExpectInvalid(object_.FindString("bool").status(), "key bool is not a string");
  ExpectInvalid(object_.FindTokenText("list").status(), "key list is not a string");
  ExpectInvalid(object_.FindIntegers("mixed", 0, 9).status(), "key mixed is not an integer, or a list");
  ExpectInvalid(object_.FindIntegers("list", 2, 9).status(), "from 2 to 9");
  ExpectInvalid(object_.FindObject("list").status(), "key list is not an object");
  ExpectInvalid((*object_.FindObject("object"))->FindReal("inner").status(), "key object.inner is not a finite number");
}

}  // namespace
}  // namespace perennial

// tokenizer_config.json and tokenizer.json's special tokens. See hugging_face_config.h.

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/hugging_face_config.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr size_t kMaxTokenizerBytes = 128 << 20;  // the largest known are about 35 MB

// One template, or a list of {"name", "template"} of which "default" counts.
absl::StatusOr<std::string> ReadTemplate(const JsonObject& object) {
  const json* const templates = object.Find("chat_template");
  if (templates == nullptr) return std::string();
  if (templates->is_string()) return templates->get_ref<const std::string&>();
  if (!templates->is_array()) return object.Wrong("chat_template", "is not a string or a list of named templates");
  std::string chosen;
  for (const json& element : *templates) {
    if (!element.is_object()) return object.Wrong("chat_template", "has an element that is not an object");
    const JsonObject named(element, "chat_template[].");
    const absl::StatusOr<std::optional<std::string>> name = named.FindString("name");
    if (!name.ok()) return name.status();
    const absl::StatusOr<std::optional<std::string>> text = named.FindString("template");
    if (!text.ok()) return text.status();
    if (name->value_or("") == "default" || templates->size() == 1) chosen = text->value_or("");
  }
  return chosen;
}

// The special token that a post-processor of the kind TemplateProcessing puts before a single text.
std::string FirstText(const json& processor) {
  const auto pieces = processor.find("single");
  if (pieces == processor.end() || !pieces->is_array() || pieces->empty() || !pieces->front().is_object()) return "";
  const auto special = pieces->front().find("SpecialToken");
  if (special == pieces->front().end() || !special->is_object()) return "";
  const auto id = special->find("id");
  return id == special->end() || !id->is_string() ? "" : id->get_ref<const std::string&>();
}

}  // namespace

absl::StatusOr<TokenizerSettings> ReadTokenizerSettings(const JsonObject& object) {
  TokenizerSettings settings;
  const absl::StatusOr<std::optional<bool>> add_bos = object.FindBool("add_bos_token");
  if (!add_bos.ok()) return add_bos.status();
  settings.add_bos = *add_bos;
  for (const auto& [key, text] :
       {std::pair("bos_token", &settings.bos_text), std::pair("eos_token", &settings.eos_text)}) {
    const absl::StatusOr<std::optional<std::string>> found = object.FindTokenText(key);
    if (!found.ok()) return found.status();
    *text = found->value_or("");
  }
  absl::StatusOr<std::string> chat_template = ReadTemplate(object);
  if (!chat_template.ok()) return chat_template.status();
  settings.chat_template = *std::move(chat_template);
  return settings;
}

const std::string* AddedTokens::TextOf(TokenId id) const {
  const auto found = std::find_if(ids.begin(), ids.end(), [id](const auto& entry) { return entry.second == id; });
  return found == ids.end() ? nullptr : &found->first;
}

absl::StatusOr<AddedTokens> ReadAddedTokens(absl::string_view tokenizer_json) {
  // The vocabulary itself is skipped: it is the tokenizer's to read, and large.
  const absl::StatusOr<json> parsed =
      ParseJsonObject(tokenizer_json, kMaxTokenizerBytes, {"added_tokens", "post_processor"});
  if (!parsed.ok()) return parsed.status();
  const JsonObject object(*parsed);
  AddedTokens added;
  if (const json* const tokens = object.Find("added_tokens"); tokens != nullptr) {
    if (!tokens->is_array()) return object.Wrong("added_tokens", "is not a list");
    for (const json& element : *tokens) {
      if (!element.is_object()) return object.Wrong("added_tokens", "has an element that is not an object");
      const JsonObject token(element, "added_tokens[].");
      const absl::StatusOr<int64_t> id = token.GetInteger("id", 0, std::numeric_limits<TokenId>::max());
      if (!id.ok()) return id.status();
      const absl::StatusOr<std::optional<std::string>> text = token.FindString("content");
      if (!text.ok()) return text.status();
      if (!text->has_value()) return token.Wrong("content", "is missing");
      added.ids.emplace(**text, static_cast<TokenId>(*id));
    }
  }
  if (const json* const processor = object.Find("post_processor"); processor != nullptr && processor->is_object()) {
    added.first_text = FirstText(*processor);
    const auto steps = processor->find("processors");  // kind Sequence
    if (steps != processor->end() && steps->is_array()) {
      for (const json& step : *steps) {
        if (added.first_text.empty() && step.is_object()) added.first_text = FirstText(step);
      }
    }
  }
  return added;
}

}  // namespace perennial

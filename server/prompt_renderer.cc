#include "server/prompt_renderer.h"

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/text/json_constraint.h"

namespace perennial {
namespace {

// A template larger than this is no template.
constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

absl::StatusOr<std::string> TemplateSource(const Checkpoint& checkpoint, const std::string& chat_template) {
  if (chat_template.empty()) {
    if (!checkpoint.chat_template().empty()) return checkpoint.chat_template();
    return absl::InvalidArgumentError(absl::StrCat(
        checkpoint.path(), ": has no chat template; choose a built-in one, for example --chat_template=chatml"));
  }
  absl::StatusOr<std::string> built_in = BuiltInChatTemplate(chat_template);
  if (built_in.ok()) return built_in;
  std::ifstream file(chat_template, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(absl::StrCat("--chat_template: \"", chat_template,
                                            "\" is neither a readable file nor a ",
                                            "built-in template: ", built_in.status().message()));
  }
  std::string source((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (source.size() > kMaxTemplateBytes) {
    return absl::InvalidArgumentError(absl::StrCat("--chat_template: ", chat_template, " has ", source.size(),
                                                   " bytes, more than ", kMaxTemplateBytes));
  }
  return source;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TemplatePromptRenderer>> TemplatePromptRenderer::Create(const Checkpoint& checkpoint,
                                                                                       const std::string& chat_template,
                                                                                       int64_t fuel) {
  absl::StatusOr<std::string> source = TemplateSource(checkpoint, chat_template);
  if (!source.ok()) return source.status();
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::Create(checkpoint.tokenizer(), *source);
  if (!tokenizer.ok()) return tokenizer.status();
  ChatTemplateOptions options = ChatTemplateOptions::Of(checkpoint);
  options.source = *std::move(source);
  options.fuel = fuel;
  absl::StatusOr<std::unique_ptr<ChatTemplate>> chat = ChatTemplate::Create(std::move(options), tokenizer->get());
  if (!chat.ok()) return chat.status();
  return std::unique_ptr<TemplatePromptRenderer>(new TemplatePromptRenderer(*std::move(tokenizer), *std::move(chat)));
}

TemplatePromptRenderer::TemplatePromptRenderer(std::unique_ptr<Tokenizer> tokenizer,
                                               std::unique_ptr<ChatTemplate> chat_template)
    : tokenizer_(std::move(tokenizer)), template_(std::move(chat_template)) {}

absl::StatusOr<SessionOpening> TemplatePromptRenderer::Opening(absl::Span<const Message> history) const {
  return template_->Opening(history);
}

absl::StatusOr<UserTurn> TemplatePromptRenderer::Turn(absl::string_view user_text) const {
  return template_->Turn(user_text);
}

absl::StatusOr<UserTurn> TemplatePromptRenderer::Continuation(absl::Span<const Message> messages) const {
  return template_->Continuation(messages);
}

absl::StatusOr<std::vector<TokenId>> TemplatePromptRenderer::Notes(absl::string_view text) const {
  return template_->Notes(text);
}

absl::StatusOr<std::unique_ptr<TokenConstraint>> TemplatePromptRenderer::Constraint(
    absl::string_view json_schema) const {
  return MakeJsonConstraint(*tokenizer_, json_schema);
}

absl::StatusOr<std::vector<TokenId>> TemplatePromptRenderer::Text(absl::string_view text) const {
  return tokenizer_->EncodeText(text);
}

}  // namespace perennial

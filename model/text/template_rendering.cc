#include "model/text/template_rendering.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace perennial::text_internal {

absl::StatusOr<TemplateRendering> TemplateRendering::Create(const Options& options) {
  if (options.fuel <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("chat template fuel is ", options.fuel, ", must be positive"));
  }
  OwnedBytes error;
  PerennialTemplate* const chat_template = perennial_template_new(SliceOf(options.source), error.out());
  if (chat_template == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("the chat template does not compile: ", error.Text()));
  }
  return TemplateRendering(options, chat_template);
}

TemplateRendering::TemplateRendering(Options options, PerennialTemplate* chat_template)
    : options_(std::move(options)), template_(chat_template) {}

absl::StatusOr<std::string> TemplateRendering::Render(absl::Span<const TemplateMessage> messages, Ending ending,
                                                      absl::Time now) const {
  nlohmann::json context = {
      {"messages", nlohmann::json::array()},
      {"add_generation_prompt", ending == Ending::kBeforeReply},
      {"bos_token", options_.bos_text},
      {"eos_token", options_.eos_text},
      // As transformers passes them when there are none.
      {"tools", nullptr},
      {"documents", nullptr},
      {"perennial_unix_seconds", absl::ToUnixSeconds(now)},
  };
  for (const TemplateMessage& message : messages) {
    context["messages"].push_back({{"role", std::string(message.role)}, {"content", message.content}});
  }
  // Texts are UTF-8 by now; what a checkpoint says of its BOS and EOS tokens may not be.
  const std::string json = context.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  OwnedBytes out;
  if (!perennial_template_render(template_.get(), SliceOf(json), static_cast<uint64_t>(options_.fuel), out.out())) {
    return absl::InvalidArgumentError(absl::StrCat("the chat template cannot render this: ", out.Text()));
  }
  return out.Text();
}

}  // namespace perennial::text_internal

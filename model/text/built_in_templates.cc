// The templates that --chat_template can name: written for this project after the formats that the models were trained
// on. Each treats system, user and assistant messages alike at every place, so that a stream only ever grows; only the
// system prompts of llama2, mistral and gemma live inside the first user message, as those formats demand.

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "model/text/chat_template.h"

namespace perennial {
namespace {

struct BuiltIn {
  absl::string_view name;
  absl::string_view source;
};

constexpr absl::string_view kChatMl =
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

// Gemma 3's, which has a place for a system message, where Gemma's and Gemma 2's raise.
constexpr absl::string_view kGemma =
    "{{ bos_token }}"
    "{% set ns = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message.role == 'system' %}"
    "{% set ns.system = message.content + '\n\n' %}"
    "{% elif message.role == 'user' %}"
    "{{ '<start_of_turn>user\n' + ns.system + message.content | trim + '<end_of_turn>\n' }}{% set ns.system = '' %}"
    "{% else %}"
    "{{ '<start_of_turn>model\n' + message.content | trim + '<end_of_turn>\n' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}";

constexpr absl::string_view kLlama2 =
    "{% set ns = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message.role == 'system' %}"
    "{% set ns.system = '<<SYS>>\n' + message.content + '\n<</SYS>>\n\n' %}"
    "{% elif message.role == 'user' %}"
    "{{ bos_token + '[INST] ' + ns.system + message.content | trim + ' [/INST]' }}{% set ns.system = '' %}"
    "{% else %}"
    "{{ ' ' + message.content | trim + ' ' + eos_token }}"
    "{% endif %}"
    "{% endfor %}";

constexpr absl::string_view kLlama3 =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";

constexpr absl::string_view kMistral =
    "{{ bos_token }}"
    "{% set ns = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message.role == 'system' %}"
    "{% set ns.system = message.content + '\n\n' %}"
    "{% elif message.role == 'user' %}"
    "{{ '[INST] ' + ns.system + message.content + ' [/INST]' }}{% set ns.system = '' %}"
    "{% else %}"
    "{{ ' ' + message.content + eos_token }}"
    "{% endif %}"
    "{% endfor %}";

// Phi-3.5's, which has a place for a system message, where some of Phi-3's leave it out.
constexpr absl::string_view kPhi3 =
    "{% for message in messages %}"
    "{{ '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}";

constexpr absl::string_view kZephyr =
    "{% for message in messages %}"
    "{{ '<|' + message.role + '|>\n' + message.content + eos_token + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}";

// For models that were never trained to chat: a dialogue on paper. Use it with a stop string such as "\nUser:".
constexpr absl::string_view kPlain =
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content + '\n' }}"
    "{% elif message.role == 'user' %}{{ 'User: ' + message.content + '\n' }}"
    "{% else %}{{ 'Assistant: ' + message.content + '\n' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}";

constexpr BuiltIn kBuiltIns[] = {{"chatml", kChatMl},   {"gemma", kGemma}, {"llama2", kLlama2}, {"llama3", kLlama3},
                                 {"mistral", kMistral}, {"phi3", kPhi3},   {"zephyr", kZephyr}, {"plain", kPlain}};

}  // namespace

std::string BuiltInChatTemplateNames() {
  return absl::StrJoin(kBuiltIns, ", ",
                       [](std::string* out, const BuiltIn& built_in) { absl::StrAppend(out, built_in.name); });
}

absl::StatusOr<std::string> BuiltInChatTemplate(absl::string_view name) {
  for (const BuiltIn& built_in : kBuiltIns) {
    if (built_in.name == name) return std::string(built_in.source);
  }
  return absl::NotFoundError(
      absl::StrCat("no built-in chat template \"", name, "\"; there are: ", BuiltInChatTemplateNames()));
}

}  // namespace perennial

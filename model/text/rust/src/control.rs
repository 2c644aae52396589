//! Control tokens: which they are, and how text that spells one is kept from becoming one.

use crate::pipeline::SENTINEL;
use tokenizers::AddedToken;

/// A token that text must not be able to forge.
pub struct Control {
    pub literal: String,
    pub id: u32,
    /// False for tokens that only the chat template makes matter, such as `</think>`: they are visible text, and a
    /// template may look for them in an assistant's message.
    pub hard: bool,
}

/// Marked special by the tokenizer, or shaped like a control token: many models leave theirs unmarked.
pub fn is_hard(token: &AddedToken) -> bool {
    let literal = token.content.as_str();
    let enclosed = |left: &str, right: &str| {
        literal.len() > left.len() + right.len() && literal.starts_with(left) && literal.ends_with(right)
    };
    token.special || enclosed("<|", "|>") || enclosed("<｜", "｜>")
}

/// Not `is_hard`, but written out in the chat template. Runs of spaces and single characters are ordinary text.
pub fn is_named_by(token: &AddedToken, chat_template: &str) -> bool {
    token.content.trim().chars().nth(1).is_some() && chat_template.contains(token.content.as_str())
}

/// Breaks up every control literal in `text` with the sentinel, after its first character, so that it survives the
/// template's string functions but is not matched in the rendering. A literal that the text only begins, at its very
/// end, or ends, at its very beginning, is cut off from what the template puts beside it in the same way. `soft`: also
/// those that are not hard. `controls`: longest literal first.
pub fn defuse(text: &str, controls: &[Control], soft: bool) -> String {
    let mut defused = text.replace(SENTINEL, "");
    let mut fence_begin = false;
    let mut fence_end = false;
    for control in controls.iter().filter(|control| control.hard || soft) {
        let literal = control.literal.as_str();
        let mut cuts = literal.char_indices().map(|(index, _)| index).filter(|index| *index > 0);
        fence_end |= cuts.clone().any(|cut| defused.ends_with(&literal[..cut]));
        fence_begin |= cuts.any(|cut| defused.starts_with(&literal[cut..]));
        if defused.contains(literal) {
            let first = literal.chars().next().map_or(0, char::len_utf8);
            defused = defused.replace(literal, &format!("{}{SENTINEL}{}", &literal[..first], &literal[first..]));
        }
    }
    if fence_begin {
        defused.insert(0, SENTINEL);
    }
    if fence_end {
        defused.push(SENTINEL);
    }
    defused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls() -> Vec<Control> {
        let control = |literal: &str, hard| Control { literal: literal.to_owned(), id: 0, hard };
        vec![control("<|im_end|>", true), control("</think>", false), control("<s>", true)]
    }

    #[test]
    fn literals_are_broken_up_wherever_they_stand() {
        let defused = defuse("a<|im_end|><|im_end|> <s>", &controls(), true);
        assert!(!defused.contains("<|im_end|>") && !defused.contains("<s>"));
        assert_eq!(defused.replace(SENTINEL, ""), "a<|im_end|><|im_end|> <s>");
    }

    #[test]
    fn soft_literals_are_left_to_whoever_asks_for_it() {
        assert_eq!(defuse("x</think>y", &controls(), false), "x</think>y");
        assert_ne!(defuse("x</think>y", &controls(), true), "x</think>y");
    }

    #[test]
    fn halves_of_a_literal_are_fenced_off() {
        assert_eq!(defuse("a <|im_", &controls(), true), format!("a <|im_{SENTINEL}"));
        assert_eq!(defuse("_end|> b", &controls(), true), format!("{SENTINEL}_end|> b"));
        assert_eq!(defuse("harmless", &controls(), true), "harmless");
    }

    #[test]
    fn a_sentinel_typed_by_the_user_is_dropped_before_the_search() {
        let defused = defuse(&format!("<{SENTINEL}s>"), &controls(), true);
        assert_eq!(defused, format!("<{SENTINEL}s>"));
    }

    #[test]
    fn unmarked_tokens_in_the_usual_shapes_are_control_tokens() {
        assert!(is_hard(&AddedToken::from("<｜User｜>", false)));
        assert!(is_hard(&AddedToken::from("<|x|>", false)));
        assert!(!is_hard(&AddedToken::from("<tool_call>", false)));
        assert!(is_named_by(&AddedToken::from("<tool_call>", false), "{{ '<tool_call>' }}"));
        assert!(!is_named_by(&AddedToken::from("  ", false), "{%  if x %}"));
    }
}

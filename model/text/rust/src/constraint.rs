//! Replies that satisfy a JSON Schema: which tokens may come next, given those that came. The grammar and its masks are
//! llguidance's.

use crate::text_tokenizer::TextTokenizer;
use crate::Failure;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::Value;
use std::sync::Arc;

/// Longer tokens are never allowed: the library's trie does not hold them.
const MAX_TOKEN_BYTES: usize = 1000;

/// What a schema may cost. The defaults of the library are for offline use: a mask is made on the engine's thread,
/// between two steps of every session.
fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 1000,
        initial_lexer_fuel: 1_000_000, // about 20 ms, once
        step_lexer_fuel: 100_000,      // about 7 ms
        step_max_items: 30_000,        // about 2 ms
        max_lexer_states: 30_000,      // about 2 KiB each
        max_grammar_size: 200_000,
        precompute_large_lexemes: false,
        verbose_errors: false,
    }
}

/// One vocabulary, prepared for grammars. Made once per tokenizer; may be used by several threads at once.
pub struct Vocabulary {
    factory: ParserFactory,
    /// Tokens of nothing but JSON's white space.
    white_space: Vec<u32>,
    size: usize,
}

impl Vocabulary {
    pub fn new(tokenizer: &TextTokenizer) -> Result<Self, Failure> {
        let size = tokenizer.size();
        let mut words: Vec<Vec<u8>> = Vec::with_capacity(size + 1);
        let mut white_space = vec![0; size.div_ceil(32)];
        for id in 0..size {
            let mut bytes = tokenizer.token_bytes(u32::try_from(id)?);
            if bytes.len() > MAX_TOKEN_BYTES {
                bytes.clear();
            }
            if !bytes.is_empty() && bytes.iter().all(|byte| b" \t\r\n".contains(byte)) {
                white_space[id / 32] |= 1 << (id % 32);
            }
            words.push(bytes);
        }
        // The end of the reply is one token more, which no vocabulary has: a model may have several of its own.
        words.push(b"\xFF<end>".to_vec());
        let end = u32::try_from(size)?;
        let trie = TokTrie::from(&TokRxInfo::new(end + 1, end), &words);
        let tokens: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&tokens)?;
        factory.quiet();
        *factory.limits_mut() = limits();
        Ok(Self { factory, white_space, size })
    }
}

/// One reply's state. Used by one thread at a time; keeps what it needs of its vocabulary.
pub struct Constraint {
    matcher: Matcher,
    white_space: Vec<u32>,
    size: usize,
    allowed: Vec<u32>,
    complete: bool,
}

impl Constraint {
    /// Compiles `schema`. Whatever of JSON Schema the library does not know is refused, not ignored.
    pub fn new(vocabulary: &Vocabulary, schema: &[u8]) -> Result<Self, Failure> {
        let schema: Value = serde_json::from_slice(schema).map_err(|error| format!("is not JSON: {error}"))?;
        let Some(object) = schema.as_object() else { return Err("is not a JSON object".into()) };
        if object.contains_key("x-guidance") {
            return Err("x-guidance is not supported".into());
        }
        let parser = vocabulary.factory.create_parser(TopLevelGrammar::from_json_schema(schema));
        let mut matcher = Matcher::new(Ok(parser.map_err(|error| brief(&error.to_string()))?));
        if let Some(warning) = matcher.grammar_warnings().first() {
            return Err(brief(warning));
        }
        let mut constraint = Self {
            matcher,
            white_space: vocabulary.white_space.clone(),
            size: vocabulary.size,
            allowed: Vec::new(),
            complete: false,
        };
        constraint.look_ahead()?;
        Ok(constraint)
    }

    /// Bit t % 32 of word t / 32: token t may come next. All zero: nothing can follow.
    pub fn allowed(&self) -> &[u32] {
        &self.allowed
    }

    /// The reply may end here.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The reply goes on with `token`, which is allowed.
    pub fn accept(&mut self, token: u32) -> Result<(), Failure> {
        self.matcher.consume_token(token).map_err(|error| brief(&error.to_string()))?;
        self.look_ahead()
    }

    fn look_ahead(&mut self) -> Result<(), Failure> {
        let mask: SimpleVob = self.matcher.compute_mask_or_eos().map_err(|error| brief(&error.to_string()))?;
        self.complete = mask.get(self.size);
        self.allowed.clear();
        self.allowed.extend_from_slice(&mask.as_slice()[..self.size.div_ceil(32)]);
        if let (Some(last), bits @ 1..) = (self.allowed.last_mut(), self.size % 32) {
            *last &= (1 << bits) - 1;
        }
        let has_more = self.allowed.iter().zip(&self.white_space).any(|(allowed, white)| allowed & !white != 0);
        if has_more {
            return Ok(());
        }
        if self.complete {
            // White space after the end says nothing and could go on for ever.
            self.allowed.fill(0);
        } else if self.allowed.iter().all(|word| *word == 0) {
            return Err("the vocabulary has no token that can come next".into());
        }
        Ok(())
    }
}

/// The first line: the rest is a grammar or a backtrace.
fn brief(message: &str) -> Failure {
    message.lines().next().unwrap_or("no message").to_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One token per byte, and a few longer ones.
    fn vocabulary() -> Vocabulary {
        let mut entries: Vec<String> = (0u32..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
        entries.extend(["true", "{\"", "\":"].map(String::from));
        let vocab: serde_json::Map<String, Value> =
            entries.iter().enumerate().map(|(id, piece)| (piece.clone(), Value::from(id))).collect();
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": null, "post_processor": null,
            "decoder": {"type": "ByteFallback"},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                      "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": true, "vocab": vocab,
                      "merges": []},
        });
        let tokenizer = TextTokenizer::from_json(json.to_string().as_bytes(), "").unwrap();
        Vocabulary::new(&tokenizer).unwrap()
    }

    fn allows(constraint: &Constraint, byte: u8) -> bool {
        constraint.allowed()[usize::from(byte) / 32] >> (byte % 32) & 1 == 1
    }

    fn failure(schema: &str) -> String {
        match Constraint::new(&vocabulary(), schema.as_bytes()) {
            Ok(_) => String::new(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn only_what_the_schema_says_may_come() {
        let schema = br#"{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"],
                          "additionalProperties":false}"#;
        let mut constraint = Constraint::new(&vocabulary(), schema).unwrap();
        for byte in *br#"{"a": true}"# {
            assert!(allows(&constraint, byte), "{}", byte as char);
            assert!(!allows(&constraint, b'z') && !constraint.is_complete());
            constraint.accept(u32::from(byte)).unwrap();
        }
        assert!(constraint.is_complete());
        assert!(constraint.allowed().iter().all(|word| *word == 0), "no white space for ever");
    }

    #[test]
    fn a_number_may_end_or_go_on() {
        let mut constraint = Constraint::new(&vocabulary(), br#"{"type":"integer"}"#).unwrap();
        constraint.accept(u32::from(b'1')).unwrap();
        assert!(constraint.is_complete() && allows(&constraint, b'2'));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(failure(r#"{"type":"string"}"#), "");
        assert!(failure("{").starts_with("is not JSON"));
        assert_eq!(failure("[]"), "is not a JSON object");
        assert_eq!(failure(r#"{"x-guidance":{"lenient":true},"not":{}}"#), "x-guidance is not supported");
        assert!(failure(r#"{"not":{"type":"string"}}"#).contains("not"));
        assert!(failure(r#"{"type":"nothing"}"#).contains("nothing"));
        assert_ne!(failure(r#"{"$ref":"https://example.com/schema"}"#), "");
        assert_ne!(failure(r#"{"type":"string","format":"no-such-format"}"#), "");
        assert_ne!(failure(r#"{"type":"integer","minimum":3,"maximum":2}"#), "");
    }

    #[test]
    fn too_large_a_schema_is_refused() {
        let branches: Vec<String> = (0..40_000).map(|i| format!(r#"{{"const":"{i}x{i}"}}"#)).collect();
        assert_ne!(failure(&format!(r#"{{"anyOf":[{}]}}"#, branches.join(","))), "");
        let deep = format!("{}{}{}", r#"{"items":"#.repeat(200), "{}", "}".repeat(200));
        assert!(failure(&deep).starts_with("is not JSON"));
    }
}
